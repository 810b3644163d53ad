using System.Net;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What the kernel tells, and what it would take for its reader to fall.</summary>
public class XfrmDecoderTests
{
    private static readonly byte[] _key = [.. Enumerable.Repeat((byte)0x5a, 20)];

    [Fact]
    public void A_dumped_state_is_read_whole_and_without_its_key()
    {
        XfrmInstalledState read = XfrmSocket.ParseState(XfrmMessageType.NewSa, XfrmSamples.State(0xc0ffee01, _key))!;

        Assert.Equal(new XfrmState
        {
            Source = IPAddress.Parse("192.0.2.1"),
            Destination = IPAddress.Parse("192.0.2.2"),
            Spi = 0xc0ffee01,
            Mode = XfrmMode.Tunnel,
            RequestId = 7,
            Direction = XfrmSaDirection.Out,
            Cpu = 3,
            ReplayWindow = 32,
            Limits = new XfrmLimits { HardBytes = 1000, SoftTime = TimeSpan.FromSeconds(60) },
            Encapsulation = new XfrmEncapsulation(4500, 50000),
            OutputMark = new XfrmMark(0x42, 0xff),
            InterfaceId = 9,
            Offload = new XfrmOffload(5, Packet: true),
        }, read.State);
        Assert.Equal(("rfc4106(gcm(aes))", 160, null, false), (read.Encryption, read.KeyBits, read.Integrity, read.IsLarval));
        Assert.Equal((1400ul, 2ul, 1_700_000_001L), (read.Counters.Bytes, read.Counters.Packets, read.Counters.FirstUsed!.Value.ToUnixTimeSeconds()));
        Assert.Equal(new XfrmStateDrops(3, 4, 5), read.Drops);
        Assert.Equal(((1ul << 32) | 9, (2ul << 32) | 8), (read.SentSequence, read.ReceivedSequence));
        Assert.Equal(1_700_000_002L, read.LastUsed!.Value.ToUnixTimeSeconds());
        Assert.DoesNotContain("5a5a", read.ToString(), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("90, 90", read.ToString());
    }

    [Fact]
    public void No_key_stays_in_the_receive_buffer_after_a_dump()
    {
        var kernel = new BufferKeeper();
        kernel.Inner.Expect(r => [new Answer(Message(r, XfrmMessageType.NewSa, NetlinkFlags.Multi, XfrmSamples.State(1, _key))), Done(r)]);
        using var xfrm = new XfrmSocket(new NetlinkSocket(kernel, clearAnswers: true));

        Assert.Single(xfrm.States());

        Assert.All(kernel.Received, b => Assert.Equal(0, b));
    }

    [Fact]
    public void A_state_without_keys_is_larval()
        => Assert.True(XfrmSocket.ParseState(XfrmMessageType.NewSa, XfrmSamples.SaInfo(5))!.IsLarval);

    [Fact]
    public void A_policy_is_read_with_its_templates()
    {
        XfrmPolicy read = XfrmSocket.ParsePolicy(XfrmMessageType.NewPolicy, [.. XfrmSamples.Bytes(XfrmSamples.PolicyInfo), .. XfrmSamples.TemplateAttribute(), .. Attribute(XfrmAttribute.IfId, 9, 0, 0, 0)])!;

        Assert.Equal(0x89u, read.Index);
        Assert.Equal(XfrmSamples.Policy.Templates, read.Templates);
        Assert.Equal(XfrmSamples.Policy with { Templates = [] }, read with { Templates = [], Index = 0, Counters = default, Limits = XfrmLimits.None });
    }

    [Fact]
    public void An_acquire_tells_policy_template_trigger_CPU_mark_and_sequence()
    {
        var acquire = Assert.IsType<XfrmAcquire>(XfrmEventDecoder.Decode(XfrmMessageType.Acquire, XfrmSamples.Acquire()));

        Assert.Equal((0x89u, 3, 77u), (acquire.PolicyIndex, acquire.Cpu, acquire.Sequence));
        Assert.Equal("10.1.0.1/32 port 8 → 10.2.0.1/32 protocol 1", acquire.Trigger.ToString());
        Assert.Equal(7u, acquire.Template!.RequestId);
        Assert.Equal((9u, new XfrmMark(1, 0xff)), (acquire.Policy.InterfaceId, acquire.Policy.Mark));
        Assert.Equal(("192.0.2.1", "192.0.2.2"), (acquire.Source.ToString(), acquire.Destination.ToString()));
    }

    [Fact]
    public void Without_its_attribute_an_acquire_is_of_no_CPU()
    {
        byte[] payload = XfrmSamples.Acquire();
        Assert.Null(((XfrmAcquire)XfrmEventDecoder.Decode(XfrmMessageType.Acquire, payload.AsSpan(0, payload.Length - 8))!).Cpu);
    }

    [Fact]
    public void Mappings_expiries_and_deletions_name_their_state()
    {
        var mapping = new XfrmUserMapping
        {
            Id = new XfrmUserSaId { Destination = XfrmAddress.From(IPAddress.Parse("192.0.2.2")), Spi = NetworkOrder.Swap(5u), Family = XfrmAddress.IPv4, Protocol = 50 },
            RequestId = 7,
            OldSource = XfrmAddress.From(IPAddress.Parse("192.0.2.1")),
            NewSource = XfrmAddress.From(IPAddress.Parse("192.0.2.9")),
            OldSourcePort = NetworkOrder.Swap((ushort)4500),
            NewSourcePort = NetworkOrder.Swap((ushort)40000),
        };
        Assert.Equal(new XfrmMapping(new XfrmStateId(IPAddress.Parse("192.0.2.2"), 5), 7, IPEndPoint.Parse("192.0.2.1:4500"), IPEndPoint.Parse("192.0.2.9:40000")),
            XfrmEventDecoder.Decode(XfrmMessageType.Mapping, XfrmSamples.Bytes(mapping)));

        var expire = (XfrmExpire)XfrmEventDecoder.Decode(XfrmMessageType.Expire, XfrmSamples.Bytes(new XfrmUserExpire { State = XfrmSamples.Info(6), Hard = 1 }))!;
        Assert.Equal((6u, true), (expire.State.State.Spi, expire.Hard));
        Assert.Equal(new XfrmStateDeleted(new XfrmStateId(IPAddress.Parse("192.0.2.2"), 5)), XfrmEventDecoder.Decode(XfrmMessageType.DelSa, XfrmSamples.Bytes(mapping.Id)));
        Assert.Equal(new XfrmStatesFlushed(50), XfrmEventDecoder.Decode(XfrmMessageType.FlushSa, [50]));
        Assert.IsType<XfrmPoliciesFlushed>(XfrmEventDecoder.Decode(XfrmMessageType.FlushPolicy, []));
    }

    [Fact]
    public void A_migration_tells_each_pair_of_addresses()
    {
        var move = new XfrmUserMigrate
        {
            OldSource = XfrmAddress.From(IPAddress.Parse("192.0.2.1")),
            OldDestination = XfrmAddress.From(IPAddress.Parse("192.0.2.2")),
            NewSource = XfrmAddress.From(IPAddress.Parse("2001:db8::1")),
            NewDestination = XfrmAddress.From(IPAddress.Parse("2001:db8::2")),
            Protocol = 50,
            Mode = 1,
            RequestId = 7,
            OldFamily = XfrmAddress.IPv4,
            NewFamily = XfrmAddress.IPv6,
        };
        byte[] payload = [.. XfrmSamples.Bytes(new XfrmUserPolicyId { Selector = XfrmSamples.Selector("10.1.0.0", "10.2.0.0", 24), Direction = 1 }), .. Attribute(XfrmAttribute.Migrate, XfrmSamples.Bytes(move))];

        var migrate = (XfrmMigrate)XfrmEventDecoder.Decode(XfrmMessageType.Migrate, payload)!;

        Assert.Equal(new XfrmMove(IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2"), IPAddress.Parse("2001:db8::1"), IPAddress.Parse("2001:db8::2"), 50, XfrmMode.Tunnel, 7), Assert.Single(migrate.Moves));
    }

    /// <summary>Any bytes in any message end in a value or in the one malformed error.</summary>
    [Fact]
    public void Truncated_and_flipped_messages_never_fail_otherwise_than_as_malformed()
    {
        (ushort Type, byte[] Payload)[] samples =
        [
            (XfrmMessageType.NewSa, XfrmSamples.State(1, _key)),
            (XfrmMessageType.NewPolicy, [.. XfrmSamples.Bytes(XfrmSamples.PolicyInfo), .. XfrmSamples.TemplateAttribute()]),
            (XfrmMessageType.Acquire, XfrmSamples.Acquire()),
            (XfrmMessageType.DelPolicy, [.. XfrmSamples.Bytes(new XfrmUserPolicyId()), .. Attribute(XfrmAttribute.Policy, XfrmSamples.Bytes(XfrmSamples.PolicyInfo))]),
            (XfrmMessageType.NewAe, [.. XfrmSamples.Bytes(new XfrmAeventId()), .. Attribute(XfrmAttribute.LtimeVal, new byte[32])]),
            (XfrmMessageType.Mapping, new byte[64]),
        ];
        foreach ((ushort type, byte[] payload) in samples)
        {
            for (int length = 0; length < payload.Length; length++)
                Try(type, payload.AsSpan(0, length));
        }
        var random = new Random(9611);
        int malformed = 0, read = 0;
        for (int round = 0; round < 20_000; round++)
        {
            (ushort type, byte[] payload) = samples[random.Next(samples.Length)];
            byte[] changed = [.. payload];
            for (int flips = random.Next(1, 6); flips > 0; flips--)
                changed[random.Next(changed.Length)] = (byte)random.Next(256);
            if (Try(random.Next(4) == 0 ? (ushort)random.Next(0x10, 0x30) : type, changed.AsSpan(0, random.Next(2) == 0 ? changed.Length : random.Next(changed.Length + 1))))
                read++;
            else
                malformed++;
        }
        Assert.True(malformed > 1000 && read > 1000, $"{malformed} malformed, {read} read: both ways should be tried");

        static bool Try(ushort type, ReadOnlySpan<byte> payload)
        {
            try
            {
                _ = XfrmEventDecoder.Decode(type, payload);
                _ = XfrmSocket.ParseStateTable(type, payload);
                _ = XfrmSocket.ParsePolicyTable(type, payload);
                return true;
            }
            catch (PcpuIpsecException e)
            {
                Assert.Contains("malformed", e.Message);
                return false;
            }
        }
    }

    [Fact]
    public void Tables_are_read_with_their_hash_sizes()
    {
        byte[] states = [0xff, 0xff, 0xff, 0xff, .. Attribute(1, 4, 0, 0, 0), .. Attribute(2, 8, 0, 0, 0, 0, 0, 16, 0)];
        Assert.Equal(new XfrmStateTable(4, 8, 0x100000), XfrmSocket.ParseStateTable(XfrmMessageType.NewSadInfo, states));
        byte[] policies = [0xff, 0xff, 0xff, 0xff, .. Attribute(1, [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, .. new byte[12]]), .. Attribute(3, 32, 24), .. Attribute(4, 128, 64)];
        Assert.Equal(new XfrmPolicyTable(1, 2, 3, 0, 0, new(32, 24), new(128, 64)), XfrmSocket.ParsePolicyTable(XfrmMessageType.NewSpdInfo, policies));
    }

    [Fact]
    public void Statistics_are_names_and_numbers()
    {
        IReadOnlyDictionary<string, long> read = XfrmStatistics.Parse("XfrmInError             \t0\nXfrmOutNoStates \t12\nnonsense\n \t5\n");
        Assert.Equal([("XfrmInError", 0L), ("XfrmOutNoStates", 12L)], read.Select(p => (p.Key, p.Value)));
    }

    /// <summary>Remembers where answers were put, to look there afterwards.</summary>
    private sealed unsafe class BufferKeeper : INetlinkTransport
    {
        private byte* _buffer;
        private int _longest;

        public FakeKernel Inner { get; } = new();

        /// <summary>The socket's buffer is pinned.</summary>
        public byte[] Received => new ReadOnlySpan<byte>(_buffer, _longest).ToArray();

        public int Send(ReadOnlySpan<byte> datagram) => Inner.Send(datagram);

        public int Receive(Span<byte> buffer, out int length)
        {
            int errno = Inner.Receive(buffer, out length);
            fixed (byte* start = buffer)
                _buffer = start;
            _longest = Math.Max(_longest, length);
            Assert.True(errno != 0 || length > 0);
            return errno;
        }

        public void Dispose() => Inner.Dispose();
    }
}
