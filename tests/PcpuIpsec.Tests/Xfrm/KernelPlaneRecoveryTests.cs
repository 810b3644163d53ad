using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What others do to the plane's policies and states, and what the kernel refuses for a while.</summary>
public class KernelPlaneRecoveryTests
{
    private const int Enomem = 12;
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);
    private static readonly IPAddress _moved = IPAddress.Parse("198.51.100.7");

    [Fact]
    public async Task Policies_that_somebody_flushes_are_written_anew()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(remote: "10.0.0.0/8") with { Discard = [new SelectorPair([TrafficSelector.Parse("10.1.0.0/24")], [TrafficSelector.Parse("10.9.0.0/24")])] }, default);
        List<XfrmPolicy> before = [.. bench.Kernel.Policies];
        bench.Kernel.LosePolicies(_ => true);

        bench.Plane.Take(new XfrmPoliciesFlushed());

        Assert.NotEmpty(before);
        // What leaves first.
        bool[] later = [.. bench.Kernel.Policies.Select(p => p.Direction != XfrmPolicyDirection.Out)];
        Assert.Equal(later.Order(), later);
        Assert.Equal(before.Select(p => KernelPolicies.KeyOf(p).ToString()).Order(), bench.Kernel.Policies.Select(p => KernelPolicies.KeyOf(p).ToString()).Order());
    }

    [Fact]
    public async Task One_that_somebody_deletes_is_written_anew_with_its_flag_and_of_others_nothing_is_asked()
    {
        await using KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        await bench.InstallAsync(cpu: null, 1);
        await bench.Plane.AllowAcquiresAsync(Connection, allowed: true, default);
        Assert.True(bench.FlagIsSet);
        XfrmPolicy lost = bench.Kernel.Policies.Single(p => p.Direction == XfrmPolicyDirection.Out);
        bench.Kernel.Journal.Clear();

        bench.Plane.Take(new XfrmPolicyDeleted(9, XfrmPolicyDirection.Out, XfrmSamples.Trigger));
        Assert.Empty(bench.Kernel.Journal);
        bench.Kernel.LosePolicies(p => p.Direction == XfrmPolicyDirection.Out);
        bench.Plane.Take(new XfrmPolicyDeleted(lost.Index, lost.Direction, lost.Selector));

        Assert.Single(bench.Kernel.Journal);
        Assert.True(bench.FlagIsSet);
    }

    [Fact]
    public async Task A_fallback_that_somebody_deletes_is_told_once_a_packet_finds_none()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        (_, uint spi) = await bench.InstallAsync(cpu: null, 1);
        bench.Clock.Advance(_pause);
        bench.Acquire(cpu: null, sequence: 7);
        Assert.Empty(bench.Events());
        bench.Kernel.Lose(spi);
        bench.Acquire(cpu: null, sequence: 8);
        Assert.Empty(bench.Events()); // Asked less than a second ago.
        bench.Clock.Advance(_pause);

        bench.Acquire(cpu: null, sequence: 9);

        Assert.Contains(new SaExpired(SaDirection.Outbound, spi, East, Hard: true), bench.Events());
    }

    [Fact]
    public async Task What_the_kernel_refuses_while_it_tells_something_is_tried_again_and_ends_nothing()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.Kernel.LosePolicies(p => p.Direction == XfrmPolicyDirection.Forward);
        bench.Kernel.Refuse = _ => Enomem;
        bench.Plane.Take(new XfrmPoliciesFlushed());
        bench.Clock.Advance(_pause);
        Assert.DoesNotContain(bench.Kernel.Policies, p => p.Direction == XfrmPolicyDirection.Forward);
        bench.Kernel.Refuse = _ => 0;

        bench.Clock.Advance(_pause);

        Assert.Contains(bench.Kernel.Policies, p => p.Direction == XfrmPolicyDirection.Forward);
        Assert.Empty(bench.Events());
    }

    [Fact]
    public async Task A_policy_that_is_refused_keeps_no_other_from_being_written_anew()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.HoldAsync(Policy("second", remote: "10.3.0.0/24"), default);
        bench.Kernel.LosePolicies(_ => true);
        bench.Kernel.Refuse = line => line == "policy out 10.1.0.0/24 → 10.2.0.0/24" ? Enomem : 0;

        bench.Plane.Take(new XfrmPoliciesFlushed());
        Assert.Equal(5, bench.Kernel.Policies.Count);
        // Nor what is set right a second later.
        bench.Kernel.LosePolicies(_ => true);
        bench.Clock.Advance(_pause);
        Assert.Equal(5, bench.Kernel.Policies.Count);
        bench.Kernel.Refuse = _ => 0;
        bench.Clock.Advance(_pause);
        Assert.Equal(6, bench.Kernel.Policies.Count);
    }

    [Fact]
    public async Task An_SA_that_is_in_the_kernel_is_installed_whatever_is_refused_afterwards()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: null, 1);
        bench.Kernel.Refuse = line => line.StartsWith("add sa out 000000ff", StringComparison.Ordinal) ? Enomem : 0;
        bench.Kernel.Journal.Clear();

        (_, uint spi) = await bench.InstallAsync(cpu: 2, 2);

        Assert.Contains(bench.Plane.ReadSaCounters(), c => c.Spi == spi);
        Assert.DoesNotContain("del sa 000000ff", bench.Kernel.Journal);
        bench.Kernel.Refuse = _ => 0;
        bench.Clock.Advance(_pause);
        Assert.Contains("del sa 000000ff", bench.Kernel.Journal);
    }

    [Fact]
    public async Task An_SA_that_comes_for_a_CPU_has_sockets_look_anew_by_a_state_that_fits_no_packet_and_touches_no_policy()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: null, 1);
        bench.Kernel.Journal.Clear();

        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 1), default);

        Assert.Equal(["add sa out 0e000002 cpu 1", "add sa out 000000ff added at 999999999 s", "del sa 000000ff"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task In_transport_mode_of_IPv6_that_state_is_one_that_the_kernel_takes_and_nothing_is_tried_again()
    {
        IPAddress here = IPAddress.Parse("2001:db8::1"), there = IPAddress.Parse("2001:db8::2");
        TrafficPolicy policy = Policy(local: "2001:db8::1", remote: "2001:db8::2") with { Mode = IpsecMode.Transport, LocalAddress = here, RemoteAddress = there };
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(policy, default);
        await bench.Plane.InstallAsync(InTransport(PeerSpi + 1, cpu: null), default);
        bench.Kernel.Journal.Clear();

        await bench.Plane.InstallAsync(InTransport(PeerSpi + 2, cpu: 1), default);

        Assert.Equal(["add sa out 0e000002 cpu 1", "add sa out 000000ff added at 999999999 s", "del sa 000000ff"], bench.Kernel.TakeJournal());
        bench.Clock.Advance(_pause);
        Assert.Empty(bench.Kernel.Journal);

        SaInstallation InTransport(uint spi, int? cpu) => Outbound(spi, cpu) with
        {
            Mode = IpsecMode.Transport,
            Source = here,
            Destination = there,
            LocalSelectors = policy.LocalSelectors,
            RemoteSelectors = policy.RemoteSelectors,
        };
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_first_fallback_is_found_by_no_packet_until_a_socket_of_its_own_remembers_it(bool hasRoute)
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.NoRoute = !hasRoute;

        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);
        string remember = hasRoute ? "remember 0e000001" : "";
        string policy = "policy out 10.1.0.0/24 → 10.2.0.0/24";
        Assert.Equal([.. new[] { policy + " block", "add sa out 0e000001 added at 999999999 s", remember, policy }.Where(line => line != "")], bench.Kernel.TakeJournal());
        Assert.Equal(hasRoute ? [PeerSpi + 1] : [], bench.Remembered);

        // The next one has the first to serve until it is remembered.
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2) with { Replaces = PeerSpi + 1 }, default);
        Assert.Equal([.. new[] { "add sa out 0e000002 added at 999999998 s", hasRoute ? "remember 0e000002" : "" }.Where(line => line != "")], bench.Kernel.TakeJournal());
        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, PeerSpi + 1, East, default);
        Assert.Equal(hasRoute ? [PeerSpi + 1, PeerSpi + 2] : [], bench.Remembered);
        bench.Clock.Advance(Retirement);
        Assert.Equal(hasRoute ? [PeerSpi + 2] : [], bench.Remembered);
        await bench.Plane.ReleaseAsync(Connection, default);
        Assert.Empty(bench.Remembered);
    }

    [Fact]
    public async Task A_stand_in_that_a_killed_process_left_is_taken_away()
    {
        const int Eexist = 17;
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: null, 1);
        bool isLeft = true;
        bench.Kernel.Refuse = line =>
        {
            bool refused = isLeft && line.StartsWith("add sa out 000000ff", StringComparison.Ordinal);
            isLeft &= !refused;
            return refused ? Eexist : 0;
        };
        bench.Kernel.Journal.Clear();

        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2, cpu: 1), default);

        Assert.Contains("add sa out 000000ff added at 999999999 s", bench.Kernel.Journal);
        Assert.Equal("del sa 000000ff", bench.Kernel.Journal[^1]);
    }

    [Fact]
    public async Task A_socket_that_the_process_may_not_open_costs_no_fallback()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.RememberFault = new PcpuIpsecException(PcpuIpsecError.HostUnable, "Cannot open a socket: Operation not permitted");

        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);

        Assert.Contains(bench.Plane.ReadSaCounters(), c => c.Spi == PeerSpi + 1);
        Assert.DoesNotContain(bench.Kernel.Policies, p => p.Action == XfrmPolicyAction.Block);
    }

    [Fact]
    public async Task A_policy_that_could_not_be_let_go_on_is_written_once_more()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        bench.Kernel.Refuse = line => line.StartsWith("policy out", StringComparison.Ordinal) && !line.EndsWith(" block", StringComparison.Ordinal) ? Enomem : 0;
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);
        Assert.Contains(bench.Kernel.Policies, p => p.Action == XfrmPolicyAction.Block);
        bench.Kernel.Refuse = _ => 0;

        bench.Clock.Advance(_pause);

        Assert.DoesNotContain(bench.Kernel.Policies, p => p.Action == XfrmPolicyAction.Block);
    }

    [Fact]
    public async Task One_that_reached_its_soft_limit_is_told_and_preferred_as_before()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1, cpu: 1) with { Lifetime = new SaLifetime(SoftPackets: 100, HardPackets: 200) }, default);

        bench.Plane.Take(new XfrmExpire(new XfrmInstalledState { State = bench.State(PeerSpi + 1), Counters = new XfrmCounters(0, 100, null, null) }, Hard: false));

        Assert.Equal([new SaExpired(SaDirection.Outbound, PeerSpi + 1, East, Hard: false)], bench.Events());
        Assert.Equal((null, 200ul), (bench.State(PeerSpi + 1).Limits.SoftPackets, bench.State(PeerSpi + 1).Limits.HardPackets!.Value));
    }

    [Fact]
    public async Task Another_connection_s_SA_of_the_same_SPI_is_not_removed()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 1), default);

        await bench.Plane.RemoveAsync("second", SaDirection.Outbound, PeerSpi + 1, East, default);
        Assert.Contains(bench.Kernel.States, s => s.State.Spi == PeerSpi + 1);
        await bench.Plane.RemoveAsync(Connection, SaDirection.Inbound, PeerSpi + 1, East, default);
        Assert.Contains(bench.Kernel.States, s => s.State.Spi == PeerSpi + 1);
        await bench.Plane.RemoveAsync(Connection, SaDirection.Outbound, PeerSpi + 1, East, default);
        bench.Clock.Advance(Retirement);
        Assert.Empty(bench.Kernel.States);
    }

    [Fact]
    public async Task That_an_inbound_SA_is_used_is_told_once_and_then_it_has_its_own_limits()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.Plane.InstallAsync(Inbound(0x0f000001) with { Lifetime = new SaLifetime(SoftPackets: 1000, HardPackets: 2000) }, default);
        Assert.Equal((1ul, 2000ul), (bench.State(0x0f000001).Limits.SoftPackets!.Value, bench.State(0x0f000001).Limits.HardPackets!.Value));

        bench.Plane.Take(new XfrmExpire(new XfrmInstalledState { State = bench.State(0x0f000001) }, Hard: false));
        Assert.Equal([new InboundUsed(0x0f000001)], bench.Events());
        Assert.Equal(1000ul, bench.State(0x0f000001).Limits.SoftPackets);
        // It was on its way already.
        bench.Plane.Take(new XfrmExpire(new XfrmInstalledState { State = bench.State(0x0f000001), Counters = new XfrmCounters(0, 2, null, null) }, Hard: false));
        Assert.Empty(bench.Events());
        bench.Plane.Take(new XfrmExpire(new XfrmInstalledState { State = bench.State(0x0f000001), Counters = new XfrmCounters(0, 1000, null, null) }, Hard: false));
        Assert.Equal([new SaExpired(SaDirection.Inbound, 0x0f000001, West, Hard: false)], bench.Events());
    }

    [Fact]
    public async Task An_SA_that_comes_for_a_CPU_without_a_fallback_that_is_remembered_has_every_outbound_policy_look_anew()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy() with { RemoteSelectors = [TrafficSelector.Parse("10.2.0.0/24"), TrafficSelector.Parse("10.3.0.0/24")] }, default);
        bench.Kernel.Journal.Clear();

        await bench.InstallAsync(cpu: 1, 1);

        Assert.Equal(
            ["policy out 10.1.0.0/24 → 10.2.0.0/24", "policy out 10.1.0.0/24 → 10.3.0.0/24"],
            bench.Kernel.Journal.Where(line => line.StartsWith("policy", StringComparison.Ordinal)).Order());
    }

    [Fact]
    public async Task One_that_replaces_another_of_its_CPU_touches_no_policy()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: 1, 1);
        bench.Kernel.Journal.Clear();

        await bench.InstallAsync(cpu: 1, 2);

        Assert.DoesNotContain(bench.Kernel.Journal, line => line.StartsWith("policy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_setting_that_cannot_be_lowered_keeps_no_traffic_from_being_held()
    {
        await using KernelPlaneBench bench = Create();
        bench.ExpiryFault = new IOException("Read-only file system");

        await bench.Plane.HoldAsync(Policy() with { AcquirePerCpu = true }, default);

        Assert.Equal(3, bench.Kernel.Policies.Count);
        await bench.Plane.ReleaseAsync(Connection, default);
        Assert.Empty(bench.Kernel.Policies);
    }

    [Fact]
    public async Task A_hold_that_fails_after_its_policies_takes_them_off()
    {
        await using KernelPlaneBench killed = await HoldAsync();
        await killed.InstallAsync(cpu: null, 1);
        killed.Kernel.LosePolicies(_ => true);
        await using KernelPlaneBench bench = Create(killed.Kernel);
        bench.Kernel.Refuse = line => line.StartsWith("del sa", StringComparison.Ordinal) ? Enomem : 0;

        await Assert.ThrowsAsync<NetlinkException>(async () => await bench.Plane.HoldAsync(Policy(), default));

        Assert.Empty(bench.Kernel.Policies);
        bench.Kernel.Refuse = _ => 0;
        Assert.Equal(PriorHold.None, await bench.Plane.HoldAsync(Policy(), default));
    }

    [Fact]
    public async Task Policies_follow_a_peer_to_another_address()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: null, 1);
        uint inbound = await bench.Plane.ReserveSpiAsync(Connection, null, West, _moved, default);

        await bench.Plane.InstallAsync(Inbound(inbound) with { Source = _moved }, default);
        Assert.Equal(East, Template(XfrmPolicyDirection.Out).Destination);
        Assert.Equal(_moved, Template(XfrmPolicyDirection.In).Source);
        Assert.Equal(_moved, Template(XfrmPolicyDirection.Forward).Source);
        await bench.Plane.InstallAsync(Outbound(PeerSpi + 2) with { Destination = _moved }, default);

        Assert.Equal((West, _moved), (Template(XfrmPolicyDirection.Out).Source, Template(XfrmPolicyDirection.Out).Destination));

        XfrmTemplate Template(XfrmPolicyDirection direction) => bench.Kernel.Policies.Single(p => p.Direction == direction).Templates[0];
    }
}
