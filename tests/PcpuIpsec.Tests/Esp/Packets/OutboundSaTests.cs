using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Ike;
using static PcpuIpsec.Tests.Esp.Packets.EspSamples;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class OutboundSaTests
{
    private readonly byte[] _esp = new byte[70_000];

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Without_extended_numbers_the_last_is_2_to_the_32_minus_1_and_none_comes_after(int workers)
    {
        using OutboundSa outbound = new(Sa(), workers, firstSequence: uint.MaxValue - 1);
        Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5)));
        Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5)));
        Assert.Equal([255, 255, 255, 255], _esp[4..8]);
        Assert.Equal(EspVerdict.OutSequence, Protect(outbound, UdpV4(5)));
        for (int i = 0; i < 10; i++)
            Assert.Equal(EspVerdict.OutExpired, Protect(outbound, UdpV4(5)));
        Assert.Equal(SaLimits.Soft | SaLimits.Hard, outbound.TakeReachedLimits());
        Assert.Equal(11, outbound.Drops);
        Assert.Equal("XfrmOutStateSeqError", EspVerdicts.Counter(EspVerdict.OutSequence));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Extended_numbers_end_before_they_wrap(int workers)
    {
        using OutboundSa outbound = new(Sa(esn: true), workers, firstSequence: ulong.MaxValue - 65_536);
        Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5)));
        Assert.Equal(EspVerdict.OutSequence, Protect(outbound, UdpV4(5)));
        Assert.True(outbound.Expired);
    }

    [Fact]
    public void A_rekey_is_asked_for_well_before_the_numbers_end()
    {
        using OutboundSa outbound = new(Sa(), 1, firstSequence: 0xe000_0000);
        Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5)));
        Assert.Equal(SaLimits.Soft, outbound.TakeReachedLimits());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Limits_in_packets_are_told_once_and_the_hard_one_stops_the_SA(int workers)
    {
        using OutboundSa outbound = new(Sa() with { Lifetime = new SaLifetime(SoftPackets: 3, HardPackets: 5) }, workers);
        for (int i = 1; i <= 5; i++)
        {
            Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5)));
            Assert.Equal(i switch { 3 => SaLimits.Soft, 5 => SaLimits.Hard, _ => SaLimits.None }, outbound.TakeReachedLimits());
        }
        Assert.Equal(EspVerdict.OutExpired, Protect(outbound, UdpV4(5)));
        Assert.Equal(SaLimits.None, outbound.TakeReachedLimits());
        Assert.Equal(5, outbound.Packets);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Never_more_bytes_go_out_than_the_hard_limit_allows(int workers)
    {
        byte[] packet = UdpV4(72);
        using OutboundSa outbound = new(Sa() with { Lifetime = new SaLifetime(SoftBytes: 250, HardBytes: 350) }, workers);
        Assert.Equal(100, packet.Length);
        Assert.Equal(EspVerdict.Ok, Protect(outbound, packet));
        Assert.Equal(EspVerdict.Ok, Protect(outbound, packet));
        Assert.Equal(SaLimits.None, outbound.TakeReachedLimits());
        Assert.Equal(EspVerdict.Ok, Protect(outbound, packet));
        Assert.Equal(SaLimits.Soft, outbound.TakeReachedLimits());
        Assert.Equal(EspVerdict.OutExpired, Protect(outbound, packet));
        Assert.Equal(SaLimits.Hard, outbound.TakeReachedLimits());
        Assert.Equal(EspVerdict.OutExpired, Protect(outbound, UdpV4(0)));
        Assert.Equal(300, outbound.Bytes);
    }

    [Fact]
    public void Limits_in_seconds_hold_in_both_directions()
    {
        SaInstallation sa = Sa() with { Lifetime = new SaLifetime(SoftTime: TimeSpan.FromSeconds(10), HardTime: TimeSpan.FromSeconds(20)) };
        using OutboundSa outbound = new(sa, 1);
        using InboundSa inbound = new(sa.Other());
        outbound.Tick(TimeSpan.FromSeconds(9));
        inbound.Tick(TimeSpan.FromSeconds(9));
        Assert.Equal((SaLimits.None, SaLimits.None), (outbound.TakeReachedLimits(), inbound.TakeReachedLimits()));
        outbound.Tick(TimeSpan.FromSeconds(10));
        inbound.Tick(TimeSpan.FromSeconds(10));
        Assert.Equal((SaLimits.Soft, SaLimits.Soft), (outbound.TakeReachedLimits(), inbound.TakeReachedLimits()));
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, UdpV4(5), _esp, out int length, out _));
        outbound.Tick(TimeSpan.FromSeconds(20));
        inbound.Tick(TimeSpan.FromSeconds(20));
        Assert.Equal((SaLimits.Hard, SaLimits.Hard), (outbound.TakeReachedLimits(), inbound.TakeReachedLimits()));
        Assert.Equal(EspVerdict.OutExpired, Protect(outbound, UdpV4(5)));
        Assert.Equal(EspVerdict.InExpired, inbound.Open(_esp.AsSpan(0, length), 0, sa.Outer(), new byte[200], out _, out _));
    }

    [Fact]
    public void Inbound_limits_count_what_was_handed_on()
    {
        SaInstallation sa = Sa(direction: SaDirection.Inbound) with { Lifetime = new SaLifetime(SoftPackets: 2, HardPackets: 3) };
        using InboundSa inbound = new(sa);
        byte[] opened = new byte[200];
        for (ulong i = 1; i <= 4; i++)
            Assert.Equal(i < 4 ? EspVerdict.Ok : EspVerdict.InExpired, inbound.Open(Seal(sa, i, Text(UdpV4(5), 4)), 0, sa.Outer(), opened, out _, out _));
        Assert.Equal(SaLimits.Soft | SaLimits.Hard, inbound.TakeReachedLimits());
        Assert.Equal(3, inbound.Packets);
        Assert.Equal(99, inbound.Bytes);
    }

    [Fact]
    public void What_lies_outside_the_selectors_is_not_sent_and_takes_no_number()
    {
        UInt128 ours = Number("10.1.0.0"), net = Number("10.2.0.0");
        SaInstallation sa = Sa() with
        {
            LocalSelectors = [new TrafficSelector(false, 0, 0, ushort.MaxValue, ours, ours + 0xff)],
            RemoteSelectors = [new TrafficSelector(false, Udp, 53, 53, net, net + 0xff)],
        };
        using OutboundSa outbound = new(sa, 1);
        Assert.Equal(EspVerdict.OutSelector, Protect(outbound, UdpV4(5, "10.1.1.1", "10.2.0.2", 9, 53)));
        Assert.Equal(EspVerdict.OutSelector, Protect(outbound, UdpV4(5, "10.1.0.1", "10.2.1.2", 9, 53)));
        Assert.Equal(EspVerdict.OutSelector, Protect(outbound, UdpV4(5, "10.1.0.1", "10.2.0.2", 9, 54)));
        Assert.Equal(EspVerdict.OutSelector, Protect(outbound, UdpV4(5, "10.1.0.1", "10.2.0.2", 53, 9)));
        Assert.Equal(EspVerdict.OutSelector, Protect(outbound, UdpV6(5)));
        Assert.Equal(5, outbound.Drops);
        Assert.Equal(EspVerdict.Ok, Protect(outbound, UdpV4(5, "10.1.0.1", "10.2.0.2", 9, 53)));
        Assert.Equal([0, 0, 0, 1], _esp[4..8]);
    }

    [Fact]
    public void DSCP_and_ECN_are_copied_to_the_outer_header()
    {
        using OutboundSa outbound = new(Sa(), 1);
        for (int trafficClass = 0; trafficClass < 256; trafficClass++)
        {
            outbound.Protect(0, UdpV4(5, trafficClass: (byte)trafficClass), _esp, out _, out byte outer);
            Assert.Equal(trafficClass, outer);
            outbound.Protect(0, UdpV6(5, trafficClass: (byte)trafficClass), _esp, out _, out outer);
            Assert.Equal(trafficClass, outer);
        }
    }

    [Fact]
    public void Transport_mode_refuses_fragments_and_what_would_have_to_stand_before_ESP()
    {
        using OutboundSa v4 = new(Sa(mode: IpsecMode.Transport), 1), v6 = new(Sa(ipv6: true, mode: IpsecMode.Transport), 1);
        byte[] first = UdpV4(50), later = UdpV4(50);
        first[6] = 0x20;
        later[7] = 5;
        Assert.Equal(EspVerdict.OutFragment, Protect(v4, first));
        Assert.Equal(EspVerdict.OutFragment, Protect(v4, later));
        Assert.Equal(EspVerdict.OutOptions, Protect(v4, V4(Udp, UdpV4(9)[20..], options: [0x94, 4, 0, 0])));
        Assert.Equal(EspVerdict.OutFragment, Protect(v6, V6(44, [Udp, 0, 0, 1, 0, 0, 0, 1, .. UdpV6(9)[40..]])));
        Assert.Equal(EspVerdict.OutOptions, Protect(v6, V6(0, [Udp, 0, 5, 2, 0, 0, 1, 0, .. UdpV6(9)[40..]])));
        Assert.Equal(EspVerdict.OutOptions, Protect(v6, V6(43, [Udp, 0, 4, 0, 0, 0, 0, 0, .. UdpV6(9)[40..]])));
    }

    [Fact]
    public void Malformed_packets_small_buffers_and_giants_are_refused()
    {
        using OutboundSa outbound = new(Sa(), 1);
        Assert.Equal(EspVerdict.OutMalformed, Protect(outbound, []));
        Assert.Equal(EspVerdict.OutMalformed, Protect(outbound, [0x45, 0]));
        Assert.Equal(EspVerdict.OutMalformed, Protect(outbound, UdpV4(9)[..^1]));
        Assert.Equal(EspVerdict.OutTooBig, Protect(outbound, UdpV4(65_507)));
        byte[] packet = UdpV4(9);
        Assert.Equal(EspVerdict.OutBuffer, outbound.Protect(0, packet, new byte[outbound.EspLength(packet.Length) - 1], out int length, out _));
        Assert.Equal(0, length);
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, packet, new byte[outbound.EspLength(packet.Length)], out _, out _));
    }

    [Fact]
    public void What_the_device_read_behind_the_packet_is_not_sent()
    {
        SaInstallation sa = Sa();
        using OutboundSa outbound = new(sa, 1);
        using InboundSa inbound = new(sa.Other());
        byte[] packet = UdpV4(9), opened = new byte[200];
        Assert.Equal(EspVerdict.Ok, outbound.Protect(0, [.. packet, 1, 2, 3, 4, 5, 6, 7, 8], _esp, out int length, out _));
        Assert.Equal(outbound.EspLength(packet.Length), length);
        Assert.Equal(EspVerdict.Ok, inbound.Open(_esp.AsSpan(0, length), 0, sa.Outer(), opened, out length, out _));
        Assert.Equal(packet, opened[..length]);
    }

    [Fact]
    public void Keys_that_do_not_fit_are_told_when_the_SA_is_made()
    {
        Assert.Throws<PcpuIpsecException>(() => new OutboundSa(Sa() with { EncryptionKey = Key(19, 1) }, 1));
        Assert.Throws<PcpuIpsecException>(() => new InboundSa(Sa() with { EncryptionKey = Key(19, 1) }));
    }

    [Fact]
    public void Random_packets_never_throw()
    {
        Random random = new(4301);
        foreach (IpsecMode mode in Enum.GetValues<IpsecMode>())
        {
            using OutboundSa outbound = new(Sa(mode: mode), 1);
            for (int i = 0; i < 5000; i++)
            {
                byte[] packet = new byte[random.Next(120)];
                random.NextBytes(packet);
                if (packet.Length > 4)
                {
                    packet[0] = (byte)(random.Next(2) == 0 ? 0x40 | random.Next(16) : 0x60);
                    packet[packet[0] >> 4 == 4 ? 2 : 4] = 0;
                }
                EspVerdict verdict = Protect(outbound, packet);
                Assert.Contains(verdict, (EspVerdict[])[EspVerdict.Ok, EspVerdict.OutMalformed, EspVerdict.OutFragment, EspVerdict.OutOptions]);
            }
        }
    }

    private EspVerdict Protect(OutboundSa outbound, byte[] packet) => outbound.Protect(0, packet, _esp, out _, out _);
}
