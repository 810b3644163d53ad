using System.Buffers.Binary;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class PathMtuTests
{
    private readonly byte[] _message = new byte[PathMtu.MaximumMessage];

    [Fact]
    public void IPv4_that_may_not_be_fragmented_is_answered_with_the_MTU_that_fits()
    {
        byte[] packet = UdpV4(1400, dontFragment: true);
        Assert.True(PathMtu.TryBuildTooBig(packet, Number("10.1.0.254"), 1343, _message, out int length));
        Assert.Equal(576, length);
        Assert.True(FlowKey.TryRead(_message.AsSpan(0, length), out FlowKey key));
        Assert.Equal((Number("10.1.0.254"), Number("10.1.0.1"), (byte)1, (ushort)0x0304, length), (key.Source, key.Destination, key.Protocol, key.SourcePort, key.TotalLength));
        Assert.Equal(0xffff, OnesSum(_message.AsSpan(0, 20)));
        Assert.Equal(0xffff, OnesSum(_message.AsSpan(20, length - 20)));
        Assert.Equal(1343, BinaryPrimitives.ReadUInt16BigEndian(_message.AsSpan(26)));
        Assert.Equal(packet[..(length - 28)], _message[28..length]);
    }

    [Fact]
    public void IPv6_is_answered_with_packet_too_big_that_itself_fits_everywhere()
    {
        byte[] packet = UdpV6(1400);
        Assert.True(PathMtu.TryBuildTooBig(packet, Number("2001:db8:a::fe"), 1343, _message, out int length));
        Assert.Equal(1280, length);
        Assert.True(FlowKey.TryRead(_message.AsSpan(0, length), out FlowKey key));
        Assert.Equal((Number("2001:db8:a::fe"), Number("2001:db8:a::1"), (byte)58, (ushort)0x0200, length), (key.Source, key.Destination, key.Protocol, key.SourcePort, key.TotalLength));
        Assert.Equal(0xffff, TransportSum(_message.AsSpan(0, length)));
        Assert.Equal(1343u, BinaryPrimitives.ReadUInt32BigEndian(_message.AsSpan(44)));
        Assert.Equal(packet[..(length - 48)], _message[48..length]);
    }

    [Fact]
    public void No_MTU_below_what_every_path_carries_is_named()
    {
        Assert.True(PathMtu.TryBuildTooBig(UdpV6(1400), 2, 900, _message, out _));
        Assert.Equal(1280u, BinaryPrimitives.ReadUInt32BigEndian(_message.AsSpan(44)));
        Assert.True(PathMtu.TryBuildTooBig(UdpV4(1400), 2, 60, _message, out _));
        Assert.Equal(68, BinaryPrimitives.ReadUInt16BigEndian(_message.AsSpan(26)));
    }

    [Fact]
    public void None_is_sent_about_ICMP_errors_but_is_about_pings()
    {
        for (int type = 0; type < 256; type++)
        {
            Assert.Equal(type is 0 or 8 or 9 or 10 or (>= 13 and <= 18), Built(V4(1, [(byte)type, 0, .. new byte[700]])));
            Assert.Equal(type >= 128 && type != 137, Built(V6(58, [(byte)type, 0, .. new byte[1400]])));
        }
    }

    [Fact]
    public void None_is_sent_about_later_fragments_or_to_what_is_no_single_host()
    {
        byte[] later = UdpV4(700);
        later[7] = 8;
        Assert.False(Built(later));
        Assert.False(Built(V6(44, [17, 0, 0, 9, 0, 0, 0, 9, .. new byte[1400]])));
        foreach (string source in (string[])["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"])
            Assert.False(Built(UdpV4(700, source)));
        Assert.False(Built(UdpV4(700, destination: "239.1.1.1")));
        foreach (string source in (string[])["::", "::1", "ff02::1"])
            Assert.False(Built(UdpV6(1400, source)));
        Assert.True(Built(UdpV6(1400, destination: "ff0e::1")));
        Assert.False(Built([1, 2, 3]));
        Assert.False(PathMtu.TryBuildTooBig(UdpV4(1400), 2, 900, new byte[100], out _));
    }

    [Fact]
    public void The_decision_follows_family_DF_mode_and_length()
    {
        Assert.Equal(PathMtuAction.Protect, Decide(UdpV4(100), 128, IpsecMode.Tunnel));
        Assert.Equal(PathMtuAction.FragmentInner, Decide(UdpV4(100), 127, IpsecMode.Tunnel));
        Assert.Equal(PathMtuAction.FragmentOuter, Decide(UdpV4(100), 127, IpsecMode.Transport));
        Assert.Equal(PathMtuAction.TooBig, Decide(UdpV4(100, dontFragment: true), 127, IpsecMode.Tunnel));
        Assert.Equal(PathMtuAction.TooBig, Decide(UdpV4(100, dontFragment: true), 127, IpsecMode.Transport));
        Assert.Equal(PathMtuAction.FragmentOuter, Decide(UdpV4(100, dontFragment: true), 67, IpsecMode.Tunnel));
        Assert.Equal(PathMtuAction.TooBig, Decide(UdpV6(1233), 1200, IpsecMode.Tunnel));
        Assert.Equal(PathMtuAction.FragmentOuter, Decide(UdpV6(1232), 1200, IpsecMode.Tunnel));
    }

    [Fact]
    public void An_SA_for_ports_has_the_outer_packet_fragmented()
    {
        TrafficSelector port = Any(false) with { Protocol = Udp, StartPort = 2222, EndPort = 2222 };
        using OutboundSa all = new(Sa(), 1), ports = new(Sa() with { RemoteSelectors = [port] }, 1);
        byte[] packet = UdpV4(1400);
        Assert.True(FlowKey.TryRead(packet, out FlowKey key));
        Assert.Equal(PathMtuAction.FragmentInner, all.Decide(key, packet, 1000));
        Assert.Equal(PathMtuAction.FragmentOuter, ports.Decide(key, packet, 1000));
        Assert.Equal(PathMtuAction.Protect, ports.Decide(key, packet, 1500));
    }

    [Fact]
    public void Fragments_reassemble_to_the_original()
    {
        foreach (int maximum in (int[])[68, 69, 75, 76, 77, 500, 1343])
        {
            foreach (int payload in (int[])[61, 1000, 1324, 1400, 3000])
            {
                foreach (byte[] options in (byte[][])[[], [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0], [1, 0x94, 4, 0, 0, 0, 0, 0]])
                {
                    byte[] packet = V4(Udp, UdpV4(payload)[20..], options: options);
                    Assert.Equal(packet, Reassemble(packet, maximum));
                }
            }
        }
    }

    [Fact]
    public void Fragments_of_a_fragment_keep_its_place()
    {
        byte[] packet = UdpV4(1000);
        byte[][] fragments = [.. Cut(packet, 500)];
        Assert.Equal(3, fragments.Length);
        byte[][] again = [.. fragments.SelectMany(fragment => Cut(fragment, 100))];
        Assert.All(again, fragment => Assert.InRange(fragment.Length, 21, 100));
        Assert.Equal(packet, Join(again, packet));
    }

    [Fact]
    public void Only_options_with_the_copied_flag_are_in_later_fragments()
    {
        byte[] packet = V4(Udp, UdpV4(200)[20..], options: [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0]);
        byte[][] fragments = [.. Cut(packet, 120)];
        Assert.Equal(packet[20..32], fragments[0][20..32]);
        Assert.All(fragments[1..], fragment => Assert.Equal("4694040000", Convert.ToHexString([fragment[0], .. fragment.AsSpan(20, 4)])));
    }

    [Fact]
    public void Malformed_options_do_not_loop_or_overrun()
    {
        Random random = new(3);
        for (int i = 0; i < 2000; i++)
        {
            byte[] options = new byte[random.Next(11) * 4];
            random.NextBytes(options);
            byte[] packet = V4(Udp, UdpV4(200)[20..], options: options);
            Assert.Equal(packet, Reassemble(packet, 68 + random.Next(60)));
        }
    }

    [Fact]
    public void Fragments_and_messages_allocate_nothing()
    {
        byte[] packet = UdpV4(3000), buffer = new byte[1500];
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Run()
        {
            IPv4Fragmenter fragmenter = new(packet, 1000);
            while (fragmenter.TryNext(buffer, out _))
            {
            }
            PathMtu.TryBuildTooBig(packet, 2, 1000, buffer, out _);
        }
    }

    [Fact]
    public void The_bucket_gives_a_burst_and_then_its_rate()
    {
        TokenBucket bucket = new(perSecond: 10, burst: 5);
        Assert.Equal(5, Take(1000, 20));
        Assert.Equal(0, Take(1099, 20));
        Assert.Equal(1, Take(1100, 20));
        Assert.Equal(3, Take(1400, 20));
        Assert.Equal(5, Take(100_000, 20));
        Assert.Equal(0, Take(0, 20));
        Assert.Equal(5, Take(long.MaxValue, 20));

        int Take(long now, int tries) => Enumerable.Range(0, tries).Count(_ => bucket.TryTake(now));
    }

    private bool Built(byte[] packet) => PathMtu.TryBuildTooBig(packet, 2, 600, _message, out _);

    private static PathMtuAction Decide(byte[] packet, int maximum, IpsecMode mode)
    {
        Assert.True(FlowKey.TryRead(packet, out FlowKey key));
        return PathMtu.Decide(key, packet, maximum, mode);
    }

    private static List<byte[]> Cut(byte[] packet, int maximum)
    {
        List<byte[]> fragments = [];
        byte[] buffer = new byte[maximum];
        IPv4Fragmenter fragmenter = new(packet, maximum);
        while (fragmenter.TryNext(buffer, out int length))
            fragments.Add(buffer[..length]);
        return fragments;
    }

    private static byte[] Reassemble(byte[] packet, int maximum)
    {
        List<byte[]> fragments = Cut(packet, maximum);
        Assert.True(fragments.Count > 1 || packet.Length <= maximum);
        return Join(fragments, packet);
    }

    /// <summary>RFC 791 reassembly; whatever order they come in.</summary>
    private static byte[] Join(IEnumerable<byte[]> fragments, byte[] original)
    {
        int header = (original[0] & 15) * 4;
        byte[] joined = new byte[original.Length];
        bool[] filled = new bool[original.Length];
        original.AsSpan(0, header).CopyTo(joined);
        int end = 0;
        foreach (byte[] fragment in fragments.Reverse())
        {
            Assert.True(FlowKey.TryRead(fragment, out FlowKey key));
            Assert.Equal(fragment.Length, key.TotalLength);
            int ownHeader = key.IpHeaderLength;
            Assert.Equal(0xffff, OnesSum(fragment.AsSpan(0, ownHeader)));
            Assert.Equal(original[4..6], fragment[4..6]);
            ushort flags = BinaryPrimitives.ReadUInt16BigEndian(fragment.AsSpan(6));
            int offset = (flags & 0x1fff) * 8;
            for (int i = ownHeader; i < fragment.Length; i++)
            {
                int at = header + offset + i - ownHeader;
                Assert.False(filled[at]);
                filled[at] = true;
                joined[at] = fragment[i];
            }
            if ((flags & 0x2000) == 0)
                end = header + offset + fragment.Length - ownHeader;
            else
                Assert.Equal(0, (fragment.Length - ownHeader) % 8);
            if (offset == 0)
                Assert.Equal(original[..4][0], fragment[0]);
        }
        Assert.Equal(original.Length, end);
        Assert.DoesNotContain(false, filled[header..]);
        return joined;
    }
}
