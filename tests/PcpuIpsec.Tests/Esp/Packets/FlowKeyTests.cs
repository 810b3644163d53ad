using PcpuIpsec.Esp.Packets;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class FlowKeyTests
{
    private static readonly byte[] _ports = [0x11, 0x22, 0x33, 0x44, 0, 0, 0, 0, 0, 0, 0, 0];

    [Theory]
    [InlineData(6)]
    [InlineData(17)]
    [InlineData(33)]
    [InlineData(132)]
    [InlineData(136)]
    public void Ports_are_read_behind_IPv4_options_and_IPv6_headers(byte protocol)
    {
        byte[] chain = [60, 0, 0, 0, 0, 0, 0, 0, 43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, protocol, 0, 4, 0, 0, 0, 0, 0, .. _ports];
        foreach (byte[] packet in (byte[][])[V4(protocol, _ports), V4(protocol, _ports, options: [1, 1, 1, 0]), V6(protocol, _ports), V6(0, chain)])
        {
            FlowKey key = Read(packet);
            Assert.Equal((protocol, true, true, (ushort)0x1122, (ushort)0x3344), (key.Protocol, key.HasProtocol, key.HasPorts, key.SourcePort, key.DestinationPort));
            Assert.Equal(packet.Length, key.TotalLength);
            Assert.Equal(packet.Length - _ports.Length, key.PayloadOffset);
            Assert.False(key.IsFragment);
            Assert.Equal(Number(key.IsIPv6 ? "2001:db8:a::1" : "10.1.0.1"), key.Source);
            Assert.Equal(Number(key.IsIPv6 ? "2001:db8:b::2" : "10.2.0.2"), key.Destination);
        }
    }

    [Fact]
    public void ICMP_has_type_and_code_for_ports()
    {
        foreach (FlowKey key in (FlowKey[])[Read(V4(1, [8, 3, 0, 0])), Read(V6(58, [8, 3, 0, 0]))])
            Assert.Equal((true, (ushort)0x0803, (ushort)0x0803), (key.HasPorts, key.SourcePort, key.DestinationPort));
        Assert.Equal(0x0500, Read(V6(135, [59, 0, 5, 0, 0, 0, 0, 0])).SourcePort);
    }

    [Fact]
    public void A_first_fragment_has_ports_and_a_later_one_has_none()
    {
        byte[] first = V4(17, _ports), later = V4(17, _ports);
        first[6] = 0x20;
        later[7] = 1;
        Assert.Equal((true, false, true), (Read(first).IsFragment, Read(first).IsLaterFragment, Read(first).HasPorts));
        Assert.Equal((true, true, false), (Read(later).IsFragment, Read(later).IsLaterFragment, Read(later).HasPorts));
        FlowKey firstV6 = Read(V6(44, [17, 0, 0, 1, 0, 0, 0, 9, .. _ports]));
        Assert.Equal((true, false, true, (byte)17), (firstV6.IsFragment, firstV6.IsLaterFragment, firstV6.HasPorts, firstV6.Protocol));
        FlowKey laterV6 = Read(V6(44, [17, 0, 0, 9, 0, 0, 0, 9, .. _ports]));
        Assert.Equal((true, true, false, true), (laterV6.IsFragment, laterV6.IsLaterFragment, laterV6.HasPorts, laterV6.HasProtocol));
        // What is in it starts with a header that only the first fragment shows in full.
        FlowKey hidden = Read(V6(44, [60, 0, 0, 9, 0, 0, 0, 9, .. _ports]));
        Assert.Equal((false, false), (hidden.HasProtocol, hidden.HasPorts));
    }

    [Fact]
    public void AH_and_ESP_are_protocols_and_not_skipped()
    {
        Assert.Equal(51, Read(V6(51, [17, 4, 0, 0, .. new byte[20], .. _ports])).Protocol);
        Assert.Equal(50, Read(V6(50, _ports)).Protocol);
    }

    [Fact]
    public void Chains_that_do_not_end_in_the_packet_are_refused()
    {
        Assert.False(FlowKey.TryRead(V6(0, [17, 1, 0, 0, 0, 0, 0, 0, 1, 2]), out _));
        Assert.False(FlowKey.TryRead(V6(0, [17, 0, 0]), out _));
        Assert.False(FlowKey.TryRead(V6(60, [.. Enumerable.Repeat((byte[])[60, 0, 0, 0, 0, 0, 0, 0], 30).SelectMany(b => b)]), out _));
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        Random random = new(791);
        int read = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = new byte[random.Next(120)];
            random.NextBytes(packet);
            if (packet.Length > 6)
            {
                packet[0] = (byte)(random.Next(2) == 0 ? 0x45 : 0x60);
                packet[packet[0] == 0x45 ? 2 : 4] = 0;
                packet[6] = (byte)(random.Next(5) switch { 0 => 0, 1 => 43, 2 => 44, 3 => 60, _ => 17 });
            }
            if (FlowKey.TryRead(packet, out FlowKey key))
            {
                read++;
                Assert.InRange(key.TotalLength, key.IpHeaderLength, packet.Length);
                Assert.InRange(key.PayloadOffset, key.IpHeaderLength, key.TotalLength);
            }
        }
        Assert.True(read > 1000);
    }

    [Fact]
    public void A_later_fragment_matches_any_port_or_OPAQUE_and_nothing_narrower()
    {
        byte[] packet = UdpV4(40);
        packet[7] = 3;
        FlowKey later = Read(packet);
        Assert.True(Set(0, 0, ushort.MaxValue).MatchesOutbound(later));
        Assert.True(Set(Udp, 0, ushort.MaxValue).MatchesOutbound(later));
        Assert.True(Set(Udp, ushort.MaxValue, 0).MatchesOutbound(later));
        Assert.False(Set(Udp, 0, ushort.MaxValue - 1).MatchesOutbound(later));
        Assert.False(Set(Udp, 0, 0).MatchesOutbound(later));
        Assert.False(Set(Tcp, 0, ushort.MaxValue).MatchesOutbound(later));
        // OPAQUE is for what has no port, not for what has one.
        Assert.False(Set(Udp, ushort.MaxValue, 0).MatchesOutbound(Read(UdpV4(40))));
        FlowKey hidden = Read(V6(44, [60, 0, 0, 9, 0, 0, 0, 9, .. _ports]));
        SelectorSet any = new([Any(true)], [Any(true)]), udp = new([Any(true) with { Protocol = Udp }], [Any(true)]);
        Assert.True(any.MatchesInbound(hidden));
        Assert.False(udp.MatchesInbound(hidden));

        static SelectorSet Set(byte protocol, ushort start, ushort end) => new([Any(false) with { Protocol = protocol, StartPort = start, EndPort = end }], [Any(false)]);
    }

    [Fact]
    public void Any_selector_of_one_side_goes_with_any_of_the_other_and_directions_differ()
    {
        UInt128 a = Number("10.1.0.1"), b = Number("10.2.0.2");
        SelectorSet set = new(
            [new(false, 0, 0, ushort.MaxValue, 1, 2), new(false, 0, 0, ushort.MaxValue, a, a)],
            [new(false, Udp, 2222, 2222, b, b), new(false, 0, 0, ushort.MaxValue, 3, 4)]);
        Assert.True(set.MatchesOutbound(Read(UdpV4(5))));
        Assert.False(set.MatchesInbound(Read(UdpV4(5))));
        Assert.True(set.MatchesInbound(Read(UdpV4(5, "10.2.0.2", "10.1.0.1", 2222, 1111))));
        Assert.False(set.MatchesOutbound(Read(UdpV4(5, "10.2.0.2", "10.1.0.1", 2222, 1111))));
    }

    private static FlowKey Read(byte[] packet)
    {
        Assert.True(FlowKey.TryRead(packet, out FlowKey key));
        return key;
    }
}
