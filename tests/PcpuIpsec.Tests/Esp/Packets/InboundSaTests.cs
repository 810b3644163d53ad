using System.Buffers.Binary;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class InboundSaTests
{
    private readonly byte[] _opened = new byte[70_000];

    [Theory]
    [MemberData(nameof(SuiteNumbers), MemberType = typeof(EspSamples))]
    public void A_change_of_any_byte_is_refused_and_counted_and_moves_nothing(int suite)
    {
        SaInstallation sa = Sa(suite, esn: true);
        using OutboundSa outbound = new(sa, 1);
        using InboundSa inbound = new(sa.Other());
        byte[] esp = new byte[300];
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, UdpV4(40), esp, out int length, out _));
        for (int i = 0; i < length; i++)
        {
            byte[] tampered = esp[..length];
            tampered[i] ^= (byte)(1 << (i % 8));
            EspVerdict verdict = inbound.Open(tampered, 0, sa.Outer(), _opened, out int opened, out bool first);
            // A changed number may by chance be one that cannot be; everything else fails the ICV.
            Assert.True(verdict == EspVerdict.InIntegrity || (i is >= 4 and < 8 && verdict == EspVerdict.InReplay), $"byte {i}: {verdict}");
            Assert.Equal(0, opened);
            Assert.False(first);
        }
        Assert.Equal(length, inbound.IntegrityDrops + inbound.ReplayDrops);
        Assert.Equal(0, inbound.Packets);

        Assert.Equal(EspVerdict.Ok, inbound.Open(esp.AsSpan(0, length), 0, sa.Outer(), _opened, out _, out bool firstAuthentic));
        Assert.True(firstAuthentic);
    }

    [Theory]
    [MemberData(nameof(SuiteNumbers), MemberType = typeof(EspSamples))]
    public void A_packet_cut_anywhere_is_refused(int suite)
    {
        SaInstallation sa = Sa(suite);
        using OutboundSa outbound = new(sa, 1);
        using InboundSa inbound = new(sa.Other());
        byte[] esp = new byte[300];
        outbound.Protect(0, UdpV4(40), esp, out int length, out _);
        for (int cut = 0; cut < length; cut++)
            Assert.Contains(inbound.Open(esp[..cut], 0, sa.Outer(), _opened, out _, out _), (EspVerdict[])[EspVerdict.InMalformed, EspVerdict.InIntegrity, EspVerdict.InReplay]);
        Assert.Equal(length, inbound.IntegrityDrops + inbound.OtherDrops + inbound.ReplayDrops);
    }

    [Fact]
    public void A_second_copy_is_a_replay_and_does_not_reach_the_cipher()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        byte[] esp = Seal(sa, 1, Text(UdpV4(5), 4));
        byte[] copy = [.. esp];
        Assert.Equal(EspVerdict.Ok, Open(inbound, sa, esp));
        byte[] second = [.. copy];
        Assert.Equal(EspVerdict.InReplay, Open(inbound, sa, second));
        Assert.Equal(copy, second);
        Assert.Equal(1, inbound.ReplayDrops);
        Assert.Equal("XfrmInStateSeqError", EspVerdicts.Counter(EspVerdict.InReplay));
    }

    [Fact]
    public void A_forged_number_far_ahead_does_not_move_the_window()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        byte[] forged = Seal(sa, 1_000_000, Text(UdpV4(5), 4));
        forged[^1] ^= 1;
        Assert.Equal(EspVerdict.InIntegrity, Open(inbound, sa, forged));
        Assert.Equal(EspVerdict.Ok, Open(inbound, sa, Seal(sa, 1, Text(UdpV4(5), 4))));
    }

    [Fact]
    public void Only_the_first_authentic_packet_is_told_even_if_it_is_a_dummy()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        Assert.Equal(EspVerdict.InDummy, inbound.Open(Seal(sa, 1, Text([1, 2, 3], 59)), 0, sa.Outer(), _opened, out _, out bool first));
        Assert.True(first);
        Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, 2, Text(UdpV4(5), 4)), 0, sa.Outer(), _opened, out _, out first));
        Assert.False(first);
        Assert.Equal(1, inbound.OtherDrops);
        Assert.Equal("EspInDummy", EspVerdicts.Counter(EspVerdict.InDummy));
    }

    [Fact]
    public void Padding_other_than_1_2_3_or_longer_than_the_packet_is_refused()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        byte[] inner = UdpV4(5);
        Assert.Equal(EspVerdict.Ok, Open(inbound, sa, Seal(sa, 1, [.. inner, 1, 2, 3, 3, 4])));
        Assert.Equal(EspVerdict.InPadding, Open(inbound, sa, Seal(sa, 2, [.. inner, 1, 2, 4, 3, 4])));
        Assert.Equal(EspVerdict.InPadding, Open(inbound, sa, Seal(sa, 3, [.. inner, 0, 0, 0, 3, 4])));
        Assert.Equal(EspVerdict.InPadding, Open(inbound, sa, Seal(sa, 4, [1, 2, 3, 5, 4])));
        Assert.Equal(EspVerdict.InPadding, Open(inbound, sa, Seal(sa, 5, [255, 4])));
        Assert.Equal(EspVerdict.Ok, Open(inbound, sa, Seal(sa, 6, [.. inner, .. Enumerable.Range(1, 255).Select(i => (byte)i), 255, 4])));
        Assert.Equal(4, inbound.OtherDrops);
    }

    [Fact]
    public void Confidentiality_padding_behind_the_inner_packet_is_cut_off()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        foreach ((byte[] inner, byte next) in ((byte[], byte)[])[(UdpV4(5), 4), (UdpV6(5), 41)])
        {
            byte[] esp = Seal(sa, next, Text([.. inner, .. new byte[77]], next));
            Assert.Equal(EspVerdict.Ok, inbound.Open(esp, 0, sa.Outer(), _opened, out int length, out _));
            Assert.Equal(inner, _opened[..length]);

            // It needs no room in the destination either.
            byte[] exact = new byte[inner.Length];
            Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, next + 100ul, Text([.. inner, .. new byte[77]], next)), 0, sa.Outer(), exact, out _, out _));
            Assert.Equal(inner, exact);
        }
    }

    [Fact]
    public void A_tunnel_carries_IPv4_and_IPv6_and_nothing_else()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        for (int next = 0; next < 256; next++)
        {
            EspVerdict expected = next switch { 4 => EspVerdict.Ok, 41 => EspVerdict.InInnerMalformed, 59 => EspVerdict.InDummy, _ => EspVerdict.InMode };
            Assert.Equal(expected, Open(inbound, sa, Seal(sa, (ulong)next + 1, Text(UdpV4(5), (byte)next))));
        }
    }

    [Fact]
    public void Malformed_inner_packets_are_refused()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        byte[] shortHeader = UdpV4(5), longTotal = UdpV4(5), shortTotal = UdpV4(5), version = UdpV4(5), longV6 = UdpV6(5);
        shortHeader[0] = 0x44;
        longTotal[3]++;
        shortTotal[3] = 19;
        version[0] = 0x55;
        longV6[5]++;
        ulong sequence = 0;
        foreach (byte[] inner in (byte[][])[[], [0x45], UdpV4(5)[..19], shortHeader, longTotal, shortTotal, version])
            Assert.Equal(EspVerdict.InInnerMalformed, Open(inbound, sa, Seal(sa, ++sequence, TextWithoutPadding(inner, 4))));
        foreach (byte[] inner in (byte[][])[[], UdpV6(5)[..39], longV6, UdpV4(50)])
            Assert.Equal(EspVerdict.InInnerMalformed, Open(inbound, sa, Seal(sa, ++sequence, TextWithoutPadding(inner, 41))));
    }

    [Fact]
    public void What_lies_outside_the_selectors_is_refused()
    {
        UInt128 net = Number("10.2.0.0"), ours = Number("10.1.0.0");
        SaInstallation sa = Sa(direction: SaDirection.Inbound) with
        {
            LocalSelectors = [new TrafficSelector(false, Udp, 1000, 2000, ours, ours + 0xffff)],
            RemoteSelectors = [new TrafficSelector(false, 0, 0, ushort.MaxValue, net, net + 0xff)],
        };
        using InboundSa inbound = new(sa);
        ulong sequence = 0;
        Check(EspVerdict.Ok, UdpV4(5, "10.2.0.9", "10.1.9.9", 7, 1500));
        Check(EspVerdict.InSelector, UdpV4(5, "10.2.1.9", "10.1.9.9", 7, 1500));
        Check(EspVerdict.InSelector, UdpV4(5, "10.2.0.9", "10.9.9.9", 7, 1500));
        Check(EspVerdict.InSelector, UdpV4(5, "10.2.0.9", "10.1.9.9", 7, 2001));
        Check(EspVerdict.InSelector, UdpV4(5, "10.2.0.9", "10.1.9.9", 7, 999));
        Check(EspVerdict.InSelector, UdpV4(5, "10.1.9.9", "10.2.0.9", 1500, 1500));
        Check(EspVerdict.InSelector, V4(Tcp, UdpV4(5, "10.2.0.9", "10.1.9.9", 7, 1500)[20..], "10.2.0.9", "10.1.9.9"));
        Check(EspVerdict.InSelector, UdpV6(5));
        byte[] later = UdpV4(5, "10.2.0.9", "10.1.9.9", 7, 1500);
        later[7] = 3;
        Check(EspVerdict.InSelector, later);
        Assert.Equal(8, inbound.OtherDrops);

        void Check(EspVerdict expected, byte[] inner)
            => Assert.Equal(expected, Open(inbound, sa, Seal(sa, ++sequence, Text(inner, inner[0] >> 4 == 4 ? (byte)4 : (byte)41))));
    }

    [Fact]
    public void Congestion_on_the_way_is_marked_inside_and_the_checksum_stays_right()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, 1, Text(UdpV4(5, trafficClass: 0xb8 | Ecn.Ect0), 4)), Ecn.CongestionExperienced, sa.Outer(), _opened, out _, out _));
        Assert.Equal(0xb8 | Ecn.CongestionExperienced, _opened[1]);
        Assert.Equal(0xffff, OnesSum(_opened.AsSpan(0, 20)));

        byte[] v6 = UdpV6(5, trafficClass: 0xb8 | Ecn.Ect1);
        Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, 2, Text(v6, 41)), 0xff, sa.Outer(), _opened, out int length, out _));
        Assert.Equal(0xb8 | Ecn.CongestionExperienced, IpHeader.TrafficClass(_opened));
        Assert.Equal(v6[2..], _opened[2..length]);

        Assert.Equal(EspVerdict.InEcn, inbound.Open(Seal(sa, 3, Text(UdpV4(5), 4)), Ecn.CongestionExperienced, sa.Outer(), _opened, out _, out _));
    }

    [Fact]
    public void Behind_a_NAT_the_checksums_of_transport_mode_are_made_anew()
    {
        SaInstallation sa = Sa(mode: IpsecMode.Transport, direction: SaDirection.Inbound) with { Encapsulation = new UdpEncapsulation(4500, 4500) };
        using InboundSa inbound = new(sa);
        byte[] segment = UdpV4(33, "10.0.0.7", "198.51.100.2")[20..];
        byte[] tcp = new byte[31];
        tcp[12] = 0x50;
        tcp[30] = 9;
        ulong sequence = 0;
        foreach ((byte[] payload, byte protocol) in ((byte[], byte)[])[(segment, Udp), (tcp, Tcp)])
        {
            Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, ++sequence, Text(payload, protocol)), 0, sa.Outer(), _opened, out int length, out _));
            Assert.Equal(0xffff, TransportSum(_opened.AsSpan(0, length)));
        }
        segment[6] = segment[7] = 0;
        Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, ++sequence, Text(segment, Udp)), 0, sa.Outer(), _opened, out int total, out _));
        Assert.Equal(segment, _opened[20..total]);
    }

    [Fact]
    public void Transport_mode_without_encapsulation_leaves_the_payload_alone()
    {
        SaInstallation sa = Sa(mode: IpsecMode.Transport, direction: SaDirection.Inbound);
        using InboundSa inbound = new(sa);
        byte[] segment = UdpV4(33, "10.0.0.7", "198.51.100.2")[20..];
        Assert.Equal(EspVerdict.Ok, inbound.Open(Seal(sa, 1, Text(segment, Udp)), 0, sa.Outer(), _opened, out int length, out _));
        Assert.Equal(segment, _opened[20..length]);
        Assert.Equal(EspVerdict.InMode, Open(inbound, sa, Seal(sa, 2, Text(segment, 44))));
    }

    [Fact]
    public void A_small_destination_is_said_and_not_overrun()
    {
        foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
        {
            SaInstallation sa = Sa(mode: mode, direction: SaDirection.Inbound);
            using InboundSa inbound = new(sa);
            byte[] esp = Seal(sa, 1, Text(mode == IpsecMode.Tunnel ? UdpV4(5) : UdpV4(5)[20..], mode == IpsecMode.Tunnel ? (byte)4 : Udp));
            Assert.Equal(EspVerdict.InBuffer, inbound.Open(esp, 0, sa.Outer(), new byte[32], out _, out _));
        }
    }

    [Fact]
    public void Random_bytes_are_refused_and_never_throw()
    {
        Random random = new(4303);
        for (int suite = 0; suite < Suites.Length; suite++)
        {
            foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
            {
                SaInstallation sa = Sa(suite, esn: true, mode: mode, direction: SaDirection.Inbound);
                using InboundSa inbound = new(sa);
                for (int i = 0; i < 500; i++)
                {
                    byte[] garbage = new byte[random.Next(200)];
                    random.NextBytes(garbage);
                    Assert.NotEqual(EspVerdict.Ok, inbound.Open(garbage, 0, sa.Outer(), _opened, out _, out _));
                }
            }
        }
    }

    [Fact]
    public void Random_text_from_a_peer_with_the_keys_never_throws()
    {
        Random random = new(59);
        foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
        {
            foreach (bool ipv6 in (bool[])[false, true])
            {
                SaInstallation sa = Sa(ipv6: ipv6, mode: mode, direction: SaDirection.Inbound) with { Encapsulation = new UdpEncapsulation(4500, 4500) };
                using InboundSa inbound = new(sa);
                for (ulong i = 1; i < 3000; i++)
                {
                    byte[] text = new byte[2 + random.Next(150)];
                    random.NextBytes(text);
                    text[^2] = 0;
                    text[^1] = (byte)(random.Next(3) switch { 0 => 4, 1 => 41, _ => random.Next(256) });
                    text[0] = (byte)(random.Next(2) == 0 ? 0x45 : 0x60);
                    if (text.Length > 44)
                    {
                        BinaryPrimitives.WriteUInt16BigEndian(text.AsSpan(text[0] == 0x45 ? 2 : 4), (ushort)random.Next(text.Length + 4));
                        text[6] = (byte)(random.Next(4) switch { 0 => 0, 1 => 43, 2 => 44, _ => 60 });
                    }
                    EspVerdict verdict = inbound.Open(Seal(sa, i, text), (byte)random.Next(256), sa.Outer(), _opened, out int length, out _);
                    Assert.Equal(verdict == EspVerdict.Ok, length > 0);
                    Assert.NotEqual(EspVerdict.InIntegrity, verdict);
                }
            }
        }
    }

    [Fact]
    public void Every_verdict_has_a_counter()
    {
        foreach (EspVerdict verdict in Enum.GetValues<EspVerdict>())
            Assert.Matches("^(Xfrm|Esp)(In|Out|Ok)", EspVerdicts.Counter(verdict));
        Assert.Equal(EspVerdicts.Count, Enum.GetValues<EspVerdict>().Length);
    }

    private EspVerdict Open(InboundSa inbound, SaInstallation sa, byte[] esp) => inbound.Open(esp, 0, sa.Outer(), _opened, out _, out _);

    private static byte[] TextWithoutPadding(byte[] payload, byte nextHeader) => [.. payload, 0, nextHeader];
}
