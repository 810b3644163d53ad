using System.Buffers.Binary;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class EspRoundTripTests
{
    private readonly byte[] _esp = new byte[70_000];
    private readonly byte[] _opened = new byte[70_000];

    [Theory]
    [MemberData(nameof(SuiteNumbers), MemberType = typeof(EspSamples))]
    public void What_is_protected_opens_to_the_same_packet_in_tunnel_mode(int suite)
    {
        foreach (bool esn in (bool[])[false, true])
        {
            foreach (bool ipv6 in (bool[])[false, true])
            {
                SaInstallation sa = Sa(suite, esn, ipv6);
                using OutboundSa outbound = new(sa, 1);
                using InboundSa inbound = new(sa.Other());
                for (int length = 0; length < 40; length++)
                {
                    foreach (byte[] packet in (byte[][])[UdpV4(length), UdpV6(length), UdpV4(1300 + length)])
                        Assert.Equal(packet, RoundTrip(outbound, inbound, packet, sa));
                }
                Assert.Equal(120, outbound.Packets);
                Assert.Equal(120, inbound.Packets);
                Assert.Equal(outbound.Bytes, inbound.Bytes);
            }
        }
    }

    [Theory]
    [MemberData(nameof(SuiteNumbers), MemberType = typeof(EspSamples))]
    public void In_transport_mode_the_IP_header_is_made_from_the_outer_one(int suite)
    {
        foreach (bool esn in (bool[])[false, true])
        {
            foreach (bool ipv6 in (bool[])[false, true])
            {
                SaInstallation sa = Sa(suite, esn, ipv6, IpsecMode.Transport);
                using OutboundSa outbound = new(sa, 1);
                using InboundSa inbound = new(sa.Other());
                for (int length = 0; length < 20; length++)
                {
                    byte[] packet = ipv6
                        ? UdpV6(length, sa.Source.ToString(), sa.Destination.ToString(), trafficClass: 0xb9)
                        : UdpV4(length, sa.Source.ToString(), sa.Destination.ToString(), trafficClass: 0xb9);
                    byte[] opened = RoundTrip(outbound, inbound, packet, sa);
                    int header = ipv6 ? 40 : 20;
                    Assert.Equal(packet[header..], opened[header..]);
                    Assert.True(FlowKey.TryRead(packet, out FlowKey before));
                    Assert.True(FlowKey.TryRead(opened, out FlowKey after));
                    Assert.Equal((before.Source, before.Destination, before.Protocol, before.TrafficClass, before.TotalLength), (after.Source, after.Destination, after.Protocol, after.TrafficClass, after.TotalLength));
                    if (!ipv6)
                        Assert.Equal(0xffff, OnesSum(opened.AsSpan(0, 20)));
                    Assert.Equal(0xffff, TransportSum(opened));
                }
            }
        }
    }

    [Fact]
    public void Destination_options_travel_inside_transport_mode()
    {
        SaInstallation sa = Sa(ipv6: true, mode: IpsecMode.Transport);
        using OutboundSa outbound = new(sa, 1);
        using InboundSa inbound = new(sa.Other());
        byte[] packet = V6(60, [Udp, 0, 1, 4, 0, 0, 0, 0, .. UdpV6(5)[40..]], sa.Source.ToString(), sa.Destination.ToString());
        Assert.Equal(packet[40..], RoundTrip(outbound, inbound, packet, sa)[40..]);
    }

    [Fact]
    public void Extended_numbers_go_on_past_2_to_the_32()
    {
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            SaInstallation sa = Sa(suite, esn: true);
            using OutboundSa outbound = new(sa, 1, firstSequence: 0xffff_fff0);
            using InboundSa inbound = new(sa.Other(), highestSequence: 0xffff_ffef);
            for (int i = 0; i < 64; i++)
                Assert.Equal(UdpV4(i), RoundTrip(outbound, inbound, UdpV4(i), sa));
        }
    }

    [Fact]
    public void The_high_half_of_an_extended_number_is_authenticated()
    {
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            SaInstallation sa = Sa(suite, esn: true);
            using OutboundSa outbound = new(sa, 1, firstSequence: (5ul << 32) + 1000);
            using InboundSa inbound = new(sa.Other(), highestSequence: (4ul << 32) + 999);
            Assert.Equal(EspVerdict.Ok, outbound.Protect(0, UdpV4(9), _esp, out int length, out _));
            Assert.Equal(EspVerdict.InIntegrity, inbound.Open(_esp.AsSpan(0, length), 0, sa.Outer(), _opened, out _, out _));
        }
    }

    [Fact]
    public void A_receiver_on_the_other_setting_of_ESN_accepts_nothing()
    {
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            using OutboundSa outbound = new(Sa(suite, esn: true), 1);
            using InboundSa inbound = new(Sa(suite, esn: false).Other());
            Assert.Equal(EspVerdict.Ok, outbound.Protect(0, UdpV4(9), _esp, out int length, out _));
            Assert.Equal(EspVerdict.InIntegrity, inbound.Open(_esp.AsSpan(0, length), 0, Sa().Outer(), _opened, out _, out _));
        }
    }

    [Fact]
    public void Pad_length_and_next_header_end_on_four_bytes_or_a_block_and_the_stated_lengths_hold()
    {
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
            {
                foreach (UdpEncapsulation? udp in (UdpEncapsulation?[])[null, new(4500, 4500)])
                {
                    SaInstallation sa = Sa(suite, mode: mode) with { Encapsulation = udp };
                    using OutboundSa outbound = new(sa, 1);
                    int alignment = Suites[suite].Encryption == EncryptionAlgorithm.ENCR_AES_CBC ? 16 : 4;
                    int iv = Algorithms.IvLength(Suites[suite].Encryption);
                    int icv = Algorithms.IcvLength(Suites[suite].Encryption, Suites[suite].Integrity);
                    for (int payload = 0; payload < 40; payload++)
                    {
                        byte[] packet = UdpV4(payload);
                        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, packet, _esp, out int length, out _));
                        Assert.Equal(0, (length - 8 - iv - icv) % alignment);
                        Assert.Equal(length, outbound.EspLength(packet.Length));
                        int outer = 20 + (udp is null ? 0 : 8) + length;
                        Assert.Equal(outer - packet.Length, outbound.Overhead(packet.Length));
                        Assert.True(outbound.MaximumInner(outer) >= packet.Length);
                        Assert.True(outbound.MaximumInner(outer - 1) < packet.Length);
                    }
                }
            }
        }
    }

    [Fact]
    public void The_header_carries_the_SPI_and_numbers_from_one_on()
    {
        using OutboundSa outbound = new(Sa(), 1);
        for (uint i = 1; i < 5; i++)
        {
            outbound.Protect(0, UdpV4(9), _esp, out _, out _);
            Assert.Equal(Spi, BinaryPrimitives.ReadUInt32BigEndian(_esp));
            Assert.Equal(i, BinaryPrimitives.ReadUInt32BigEndian(_esp.AsSpan(4)));
            Assert.Equal(i, BinaryPrimitives.ReadUInt64BigEndian(_esp.AsSpan(8)));
        }
    }

    [Fact]
    public void CBC_takes_each_IV_from_the_random_source_and_none_twice()
    {
        using OutboundSa outbound = new(Sa(suite: 3), 1);
        HashSet<UInt128> seen = [];
        for (int i = 0; i < 1000; i++)
        {
            outbound.Protect(0, UdpV4(9), _esp, out _, out _);
            UInt128 iv = BinaryPrimitives.ReadUInt128BigEndian(_esp.AsSpan(8));
            Assert.NotEqual(UInt128.Zero, iv);
            Assert.True(seen.Add(iv));
        }
    }

    [Fact]
    public void The_keys_are_copied_so_that_the_callers_may_go()
    {
        SaInstallation sa = Sa(), twin = Sa();
        using OutboundSa outbound = new(sa, 3);
        sa.EncryptionKey.Dispose();
        sa.IntegrityKey.Dispose();
        using InboundSa inbound = new(twin.Other());
        for (int worker = 0; worker < 3; worker++)
        {
            Assert.Equal(EspVerdict.Ok, outbound.Protect(worker, UdpV4(9), _esp, out int length, out _));
            Assert.Equal(EspVerdict.Ok, inbound.Open(_esp.AsSpan(0, length), 0, sa.Outer(), _opened, out _, out _));
        }
    }

    [Fact]
    public void Disposing_zeroes_its_own_keys_and_nobody_elses()
    {
        SaInstallation sa = Sa();
        OutboundSa outbound = new(sa, 1);
        InboundSa inbound = new(sa.Other());
        outbound.Dispose();
        inbound.Dispose();
        Assert.Equal(0, outbound.Installation.EncryptionKey.Length);
        Assert.Equal(0, inbound.Installation.EncryptionKey.Length);
        Assert.Equal(20, sa.EncryptionKey.Length);
    }

    [Fact]
    public void Workers_that_share_an_SA_never_give_a_number_twice()
    {
        const int Workers = 4, Each = 50_000;
        using OutboundSa outbound = new(Sa(), Workers);
        byte[] packet = UdpV4(0);
        ulong[][] ivs = new ulong[Workers][];
        using Barrier start = new(Workers);
        Thread[] threads = [.. Enumerable.Range(0, Workers).Select(worker => new Thread(() =>
        {
            byte[] esp = new byte[200];
            ulong[] own = new ulong[Each];
            start.SignalAndWait();
            for (int i = 0; i < Each; i++)
            {
                outbound.Protect(worker, packet, esp, out _, out _);
                own[i] = BinaryPrimitives.ReadUInt64BigEndian(esp.AsSpan(8));
            }
            ivs[worker] = own;
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(Enumerable.Range(1, Workers * Each).Select(i => (ulong)i), ivs.SelectMany(v => v).Order());
        Assert.Equal(Workers * Each, outbound.Packets);
        Assert.Equal((long)Workers * Each * packet.Length, outbound.Bytes);
    }

    [Fact]
    public void No_packet_allocates()
    {
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
            {
                SaInstallation sa = Sa(suite, esn: true, mode: mode) with { Encapsulation = new UdpEncapsulation(4500, 4500) };
                using OutboundSa outbound = new(sa, 1);
                using InboundSa inbound = new(sa.Other());
                byte[] packet = UdpV4(500);
                OuterAddresses outer = sa.Outer();
                Run(600);
                long before = GC.GetAllocatedBytesForCurrentThread();
                Run(600);
                Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
                Assert.Equal(1200, inbound.Packets);

                void Run(int packets)
                {
                    for (int i = 0; i < packets; i++)
                    {
                        outbound.Protect(0, packet, _esp, out int length, out _);
                        inbound.Open(_esp.AsSpan(0, length), 0, outer, _opened, out _, out _);
                    }
                }
            }
        }
    }

    private byte[] RoundTrip(OutboundSa outbound, InboundSa inbound, byte[] packet, SaInstallation sa)
    {
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, packet, _esp, out int length, out byte trafficClass));
        Assert.Equal(EspVerdict.Ok, inbound.Open(_esp.AsSpan(0, length), trafficClass, sa.Outer(), _opened, out int opened, out _));
        return _opened[..opened];
    }
}
