using System.Diagnostics;
using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>How the kernel data plane holds traffic and lets it go, by what it asks the kernel for.</summary>
public class KernelPlaneHoldTests
{
    private const string Out = "policy out 10.1.0.0/24 → 10.2.0.0/24", In = "policy in 10.2.0.0/24 → 10.1.0.0/24", Forward = "policy fwd 10.2.0.0/24 → 10.1.0.0/24";
    private const int Enomem = 12;

    [Fact]
    public async Task What_leaves_is_held_first_and_every_policy_demands_an_SA_of_the_connection()
    {
        await using KernelPlaneBench bench = Create();
        Assert.Equal(PriorHold.None, await bench.Plane.HoldAsync(Policy(), default));

        Assert.Equal([Out, In, Forward], bench.Kernel.TakeJournal());
        Assert.All(bench.Kernel.Policies, p =>
        {
            XfrmTemplate template = Assert.Single(p.Templates);
            Assert.Equal((RequestId, false, XfrmMode.Tunnel, XfrmPolicyAction.Allow, XfrmPolicyFlags.None), (template.RequestId, template.Optional, template.Mode, p.Action, p.Flags));
            Assert.Equal(p.Direction == XfrmPolicyDirection.Out ? (West, East) : (East, West), (template.Source, template.Destination));
            // As strongSwan computes it for two /24.
            Assert.Equal(375_423u, p.Priority);
        });
    }

    /// <summary>A table that is doubled while there is traffic costs packets.</summary>
    [Fact]
    public async Task The_table_of_states_has_room_for_all_SAs_and_their_rekeys_before_the_first_comes()
    {
        await using KernelPlaneBench bench = Create();
        bench.Kernel.Buckets = 8;
        await bench.Plane.HoldAsync(Policy(), default);

        // In two directions the fallback, 8 of CPUs, and one of each kind and CPU that takes the place of another.
        Assert.Equal(32u, bench.Kernel.Buckets);
        Assert.Empty(bench.Kernel.States);

        // Held again it has that room, also while SAs are in it; another tunnel needs more.
        await bench.InstallAsync(cpu: null, 1);
        await bench.InstallAsync(cpu: 2, 2);
        bench.Kernel.TakeJournal();
        await bench.Plane.HoldAsync(Policy(), default);
        Assert.DoesNotContain(bench.Kernel.TakeJournal(), line => line.StartsWith("spi", StringComparison.Ordinal));
        await bench.Plane.HoldAsync(Policy("other", remote: "10.3.0.0/24"), default);
        Assert.Equal(64u, bench.Kernel.Buckets);
    }

    /// <summary>What the killed one's SAs have is not needed twice: they carry traffic.</summary>
    [Fact]
    public async Task A_process_after_a_killed_one_leaves_the_table_of_states_as_it_is()
    {
        FakeXfrm kernel = await KilledAsync();
        kernel.Buckets = 32;
        await using KernelPlaneBench next = Create(kernel);
        await next.Plane.HoldAsync(Policy(), default);
        Assert.Equal(32u, kernel.Buckets);
    }

    /// <summary>Short of memory it stays as it is.</summary>
    [Fact]
    public async Task A_kernel_that_does_not_double_its_table_holds_nothing_up()
    {
        await using KernelPlaneBench bench = Create();
        bench.Kernel.Buckets = 8;
        bench.Kernel.Doubles = false;
        long began = Stopwatch.GetTimestamp();
        await bench.Plane.HoldAsync(Policy(), default);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0.5, 5);
        Assert.Empty(bench.Kernel.States);
    }

    [Fact]
    public async Task Transport_mode_forwards_nothing()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(local: "192.0.2.1", remote: "192.0.2.2") with { Mode = IpsecMode.Transport }, default);
        Assert.Equal(["policy out 192.0.2.1/32 → 192.0.2.2/32", "policy in 192.0.2.2/32 → 192.0.2.1/32"], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task Holding_again_is_told_as_that_and_leaves_no_moment_without_policies()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        Assert.Equal(PriorHold.Held, await bench.Plane.HoldAsync(Policy(remote: "10.2.0.0/25"), default));
        Assert.Equal(
        [
            "policy out 10.1.0.0/24 → 10.2.0.0/25", "policy in 10.2.0.0/25 → 10.1.0.0/24", "policy fwd 10.2.0.0/25 → 10.1.0.0/24",
            "del " + Out, "del " + In, "del " + Forward,
        ], bench.Kernel.TakeJournal());
    }

    [Fact]
    public async Task A_process_after_a_killed_one_takes_its_policies_over_and_leaves_the_SAs_that_carry_their_traffic()
    {
        FakeXfrm kernel = await KilledAsync();

        await using KernelPlaneBench next = Create(kernel);
        Assert.Equal(PriorHold.Carried, await next.Plane.HoldAsync(Policy(), default));

        IReadOnlyList<string> journal = kernel.TakeJournal();
        Assert.Equal([Out, In, Forward], journal.Take(3));
        Assert.DoesNotContain(journal, line => line.StartsWith("del policy", StringComparison.Ordinal));
        // Without the SPI that was reserved, the acquire's placeholder and what stood in for a moment.
        Assert.Equal([0xc0000001, 0x0e000001, 0xc0000002, 0x0e000002], kernel.States.Select(s => s.State.Spi));
        Assert.Equal(3, kernel.Policies.Count);
        Assert.Empty(next.Plane.ReadSaCounters());
    }

    [Fact]
    public async Task What_was_left_is_sent_by_until_there_is_a_new_SA_and_taken_for_ten_seconds_more()
    {
        FakeXfrm kernel = await KilledAsync();
        await using KernelPlaneBench next = Create(kernel);
        await next.Plane.HoldAsync(Policy(), default);
        uint inbound = await next.Plane.ReserveSpiAsync(Connection, null, West, East, default);
        await next.Plane.InstallAsync(Inbound(inbound), default);
        Assert.Contains(kernel.States, s => s.State.Spi == 0x0e000001);
        kernel.TakeJournal();

        await next.Plane.InstallAsync(Outbound(0x0e000009), default);

        // Behind the fallback that is there, and no policy drops meanwhile.
        Assert.Equal(["add sa out 0e000009 added at 999999998 s", "remember 0e000009", Retired("0e000001"), Retired("0e000002 cpu 2")], kernel.TakeJournal());
        next.Clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal(4, kernel.States.Count);
        next.Clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal([inbound, 0x0e000009u], kernel.States.Select(s => s.State.Spi));
    }

    [Fact]
    public async Task A_number_that_the_peer_chooses_again_is_no_obstacle()
    {
        FakeXfrm kernel = await KilledAsync();
        await using KernelPlaneBench next = Create(kernel);
        await next.Plane.HoldAsync(Policy(), default);

        await next.Plane.InstallAsync(Outbound(0x0e000001), default);

        next.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal([0xc0000001, 0xc0000002, 0x0e000001], kernel.States.Select(s => s.State.Spi));
    }

    [Theory]
    [InlineData("10.1.0.0/24", "10.2.0.0/25", "192.0.2.2")]
    [InlineData("10.1.0.0/24", "10.2.0.0/24", "192.0.2.3")]
    public async Task SAs_that_were_left_of_a_tunnel_that_is_declared_otherwise_now_go_at_once(string local, string remote, string peer)
    {
        FakeXfrm kernel = await KilledAsync();
        await using KernelPlaneBench next = Create(kernel);

        Assert.Equal(PriorHold.Held, await next.Plane.HoldAsync(Policy(Connection, local, remote) with { RemoteAddress = IPAddress.Parse(peer) }, default));

        Assert.Empty(kernel.States);
    }

    [Fact]
    public async Task What_was_left_goes_where_the_tunnel_is_declared_anew_or_the_process_ends()
    {
        FakeXfrm kernel = await KilledAsync();
        await using (KernelPlaneBench next = Create(kernel))
        {
            await next.Plane.HoldAsync(Policy(), default);
            await next.Plane.HoldAsync(Policy(remote: "10.2.0.0/25"), default);
            Assert.Empty(kernel.States);
        }
        kernel = await KilledAsync();
        await using (KernelPlaneBench next = Create(kernel))
            await next.Plane.HoldAsync(Policy(), default);
        Assert.Empty(kernel.States);
    }

    /// <summary>What a process leaves that was killed with a fallback, a CPU's SA, and some things half done.</summary>
    private static async Task<FakeXfrm> KilledAsync()
    {
        var kernel = new FakeXfrm();
        KernelPlaneBench killed = Create(kernel);
        await killed.Plane.HoldAsync(Policy(), default);
        await killed.InstallAsync(cpu: null, 1);
        await killed.InstallAsync(cpu: 2, 2);
        await killed.Plane.ReserveSpiAsync(Connection, null, West, East, default);
        kernel.AddPlaceholder(RequestId, 7, 3, "192.0.2.1", "192.0.2.2", XfrmSamples.Trigger);
        kernel.TakeJournal();
        return kernel;
    }

    [Fact]
    public async Task A_release_deletes_states_before_policies_and_what_leaves_last()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        await bench.InstallAsync(cpu: 1, 1);
        bench.Kernel.Journal.Clear();

        await bench.Plane.ReleaseAsync(Connection, default);

        Assert.Equal(["del sa c0000001", "del sa 0e000001", "del " + In, "del " + Forward, "del " + Out], bench.Kernel.TakeJournal());
        Assert.Empty(bench.Plane.ReadSaCounters());
    }

    [Fact]
    public async Task A_release_touches_only_what_is_the_connections()
    {
        await using KernelPlaneBench bench = await HoldAsync();
        using var other = new XfrmSocket(new NetlinkSocket(bench.Kernel));
        other.AddPolicy(XfrmSamples.Policy with { Selector = new XfrmSelector { Source = XfrmPrefix.Parse("10.8.0.0/24"), Destination = XfrmPrefix.Parse("10.9.0.0/24") } });
        other.AddState(XfrmRequestTests.Outbound, XfrmRequestTests.Gcm, new byte[20], []);
        await bench.Plane.HoldAsync(Policy("second", remote: "10.3.0.0/24"), default);

        await bench.Plane.ReleaseAsync(Connection, default);

        Assert.Equal(["out 10.8.0.0/24", "out 10.1.0.0/24", "in 10.3.0.0/24", "fwd 10.3.0.0/24"], bench.Kernel.Policies.Select(p => $"{XfrmPolicy.Text(p.Direction)} {p.Selector.Source}"));
        Assert.Single(bench.Kernel.States);
    }

    [Fact]
    public async Task What_a_killed_process_held_is_released_without_being_held_again()
    {
        var kernel = new FakeXfrm();
        KernelPlaneBench killed = Create(kernel);
        await killed.Plane.HoldAsync(Policy(), default);
        await killed.InstallAsync(cpu: null, 1);

        await using KernelPlaneBench next = Create(kernel);
        await next.Plane.ReleaseAsync(Connection, default);

        Assert.Empty(kernel.States);
        Assert.Empty(kernel.Policies);
    }

    [Theory]
    [InlineData(7u, "another program's (reqid 7)")]
    [InlineData(0x9000_0001u, "another tunnel's")]
    public async Task Anothers_policy_of_the_same_selector_is_left_alone_and_named(uint requestId, string whose)
    {
        await using KernelPlaneBench bench = Create();
        using var other = new XfrmSocket(new NetlinkSocket(bench.Kernel));
        other.AddPolicy(KernelPolicies.Of(Policy())[1] with { Templates = [XfrmSamples.Template("192.0.2.2", "192.0.2.1") with { RequestId = requestId }] });
        bench.Kernel.Journal.Clear();

        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.HoldAsync(Policy(), default));

        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains(whose, e.Message);
        Assert.Contains("10.2.0.0/24 → 10.1.0.0/24", e.Message);
        Assert.Empty(bench.Kernel.Journal);
    }

    [Fact]
    public async Task A_hold_that_fails_half_way_holds_nothing_that_was_not_held_before()
    {
        await using KernelPlaneBench bench = Create();
        bench.Kernel.Refuse = line => line == Forward ? Enomem : 0;
        await Assert.ThrowsAsync<NetlinkException>(async () => await bench.Plane.HoldAsync(Policy(), default));
        Assert.Equal([Out, In, "del " + Out, "del " + In], bench.Kernel.TakeJournal());

        bench.Kernel.Refuse = _ => 0;
        await bench.Plane.HoldAsync(Policy(), default);
        bench.Kernel.Refuse = line => line == "policy fwd 10.2.0.0/25 → 10.1.0.0/24" ? Enomem : 0;
        await Assert.ThrowsAsync<NetlinkException>(async () => await bench.Plane.HoldAsync(Policy(remote: "10.2.0.0/25"), default));
        Assert.Equal(3, bench.Kernel.Policies.Count);
        Assert.All(bench.Kernel.Policies, p => Assert.Contains("10.2.0.0/24", p.Selector.ToString()));
    }

    [Fact]
    public async Task The_end_of_the_process_deletes_states_and_leaves_policies()
    {
        KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);
        await bench.InstallAsync(cpu: null, 1);
        await bench.Plane.AllowAcquiresAsync(Connection, true, default);
        bench.Kernel.Journal.Clear();

        await bench.DisposeAsync();

        // Nobody answers acquires any more.
        Assert.Equal(["del sa c0000001", "del sa 0e000001", Out, "expiry put back"], bench.Kernel.TakeJournal());
        Assert.Equal(3, bench.Kernel.Policies.Count);
    }

    [Fact]
    public async Task Neighbor_discovery_passes_in_clear_while_any_IPv6_connection_is_held()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy("one", "fd01::/64", "fd02::/64"), default);
        await bench.Plane.HoldAsync(Policy("two", "fd01::/64", "fd03::/64"), default);
        await bench.Plane.HoldAsync(Policy("three"), default);
        Assert.Equal(6, bench.Kernel.Policies.Count(p => p.Templates.Count == 0));
        Assert.Equal("policy out ::/0 port 135 → ::/0 protocol 58 pass", bench.Kernel.Journal[0]);

        await bench.Plane.ReleaseAsync("one", default);
        Assert.Equal(6, bench.Kernel.Policies.Count(p => p.Templates.Count == 0));
        await bench.Plane.ReleaseAsync("two", default);
        Assert.Equal(3, bench.Kernel.Policies.Count);
    }

    [Fact]
    public async Task The_acquire_expiry_is_lowered_while_a_connection_is_on_demand_and_put_back_with_the_last()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(), default);
        Assert.DoesNotContain("expiry lowered", bench.Kernel.Journal);
        await bench.Plane.HoldAsync(Policy("one", remote: "10.3.0.0/24") with { AcquirePerCpu = true }, default);
        await bench.Plane.HoldAsync(Policy("two", remote: "10.4.0.0/24") with { AcquirePerCpu = true }, default);
        await bench.Plane.ReleaseAsync("one", default);
        Assert.DoesNotContain("expiry put back", bench.Kernel.Journal);
        await bench.Plane.ReleaseAsync("two", default);
        Assert.Equal(2, bench.Kernel.Journal.Count(line => line == "expiry lowered"));
        Assert.Single(bench.Kernel.Journal, line => line == "expiry put back");
    }

    [Fact]
    public async Task The_acquire_expiry_is_put_back_where_a_connection_is_on_demand_no_more()
    {
        await using KernelPlaneBench bench = await HoldAsync(acquirePerCpu: true);

        await bench.Plane.HoldAsync(Policy(), default);

        Assert.Single(bench.Kernel.Journal, line => line == "expiry put back");
    }

    [Fact]
    public async Task Selectors_that_make_too_many_policies_are_refused_with_their_number()
    {
        await using KernelPlaneBench bench = Create();
        TrafficPolicy wide = Policy() with { LocalSelectors = [TrafficSelector.Parse("10.1.0.1-10.1.255.254")], RemoteSelectors = [TrafficSelector.Parse("10.2.0.1-10.2.255.254[tcp/1-65534]")] };
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.HoldAsync(wide, default));
        Assert.Contains("4096", e.Message);
        Assert.Empty(bench.Kernel.Journal);

        // 810,000 for each direction: not one more is made than tells that there are too many.
        wide = wide with { LocalSelectors = [TrafficSelector.Parse("10.1.0.1-10.1.255.254[tcp/1-65534]")] };
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<PcpuIpsecException>(() => KernelPolicies.Of(wide));
        Assert.Throws<PcpuIpsecException>(() => KernelPolicies.ExceptionsOf(Policy() with { Bypass = [new SelectorPair(wide.LocalSelectors, wide.RemoteSelectors)] }));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 32 << 20);
    }
}
