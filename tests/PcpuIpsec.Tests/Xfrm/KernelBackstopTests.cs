using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What is dropped behind a tunnel's policies, by what the kernel data plane asks the kernel for.</summary>
public class KernelBackstopTests
{
    // What FakeLinks answers.
    private const int Index = 7;

    private static readonly RoutedInterface _interface = new("ipsec0", 42, null, [IPNetwork.Parse("10.2.0.0/24")]);

    [Theory]
    [InlineData("10.2.0.0/24[udp/5000-5003]", 17)]
    [InlineData("10.2.0.0/24[tcp/1-65535]", 6)]
    [InlineData("10.2.0.0/24[icmp/8]", 1)]
    public async Task Fragments_whose_ports_the_kernel_does_not_read_are_dropped_where_ports_are_protected(string remote, int protocol)
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(remote: remote), default);

        Assert.Equal(
        [
            $"out 10.1.0.0/24 port 0 → 10.2.0.0/24 port 0 protocol {protocol} Block",
            $"fwd 10.2.0.0/24 port 0 → 10.1.0.0/24 port 0 protocol {protocol} Block",
        ], Backstops(bench));
        // Another tunnel's policy for all ports comes before.
        uint protecting = KernelPolicies.Of(Policy(remote: "10.0.0.0/8"))[0].Priority;
        Assert.All(bench.Kernel.Policies.Where(p => p.Action == XfrmPolicyAction.Block), p => Assert.True(p.Priority > protecting));
    }

    [Theory]
    [InlineData("10.2.0.0/24")]
    [InlineData("10.2.0.0/24[udp]")]
    [InlineData("10.2.0.0/24[udp/0-1023]")]
    public async Task Where_a_policy_takes_port_0_too_it_takes_the_fragments(string remote)
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(remote: remote), default);
        Assert.Empty(Backstops(bench));
    }

    [Fact]
    public async Task Transport_mode_has_no_fragments_to_forward()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(local: "192.0.2.1", remote: "192.0.2.2[tcp/22]") with { Mode = IpsecMode.Transport }, default);
        Assert.Equal(["out 192.0.2.1/32 port 0 → 192.0.2.2/32 port 0 protocol 6 Block"], Backstops(bench));
    }

    [Fact]
    public async Task Beside_an_interface_nothing_of_it_leaves_or_comes_but_its_ICMP_errors()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy() with { Interface = _interface }, default);

        Assert.Equal(
        [
            "out 10.1.0.0/24 → 10.2.0.0/24 Block",
            "fwd 10.1.0.0/24 → 10.2.0.0/24 Block",
            "in 10.2.0.0/24 → 10.1.0.0/24 Block",
            "fwd 10.2.0.0/24 → 10.1.0.0/24 Block",
            $"out 10.1.0.0/24 → 10.2.0.0/24 by link {Index} Allow",
            $"fwd 10.1.0.0/24 → 10.2.0.0/24 by link {Index} Allow",
            .. new[] { 3, 11, 12 }.Select(type => $"out 10.1.0.0/24 port {type} → 10.2.0.0/24 protocol 1 Allow"),
        ], Backstops(bench).OrderByDescending(p => p.EndsWith("Block", StringComparison.Ordinal)));
        AssertPassesFirst(bench, "out 10.1.0.0/24 → 10.2.0.0/24");
        AssertPassesFirst(bench, "fwd 10.1.0.0/24 → 10.2.0.0/24");
    }

    [Fact]
    public async Task What_IPv6_this_host_itself_sends_beside_an_interface_cannot_be_told_apart_and_what_it_forwards_can()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(local: "fd01::/64", remote: "fd02::/64") with { Interface = _interface with { Routes = [IPNetwork.Parse("fd02::/64")] } }, default);
        Assert.Equal(
        [
            "fwd fd01::/64 → fd02::/64 Block",
            "in fd02::/64 → fd01::/64 Block",
            "fwd fd02::/64 → fd01::/64 Block",
            $"fwd fd01::/64 → fd02::/64 by link {Index} Allow",
        ], Backstops(bench));
    }

    [Fact]
    public async Task Only_what_is_routed_into_the_interface_is_dropped_beside_it()
    {
        await using KernelPlaneBench bench = Create();
        TrafficPolicy everything = Policy(local: "0.0.0.0/0", remote: "0.0.0.0/0");
        await bench.Plane.HoldAsync(everything with { Interface = _interface with { Routes = [] } }, default);
        Assert.Empty(Backstops(bench));

        await bench.Plane.HoldAsync(everything with { Interface = _interface }, default);
        Assert.Equal(
            ["out 0.0.0.0/0 → 10.2.0.0/24 Block", "fwd 0.0.0.0/0 → 10.2.0.0/24 Block", "in 10.2.0.0/24 → 0.0.0.0/0 Block", "fwd 10.2.0.0/24 → 0.0.0.0/0 Block"],
            Backstops(bench).Where(p => p.EndsWith("Block", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Our_own_side_keeps_its_ways_where_the_peers_is_everything()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(remote: "0.0.0.0/0") with { Interface = _interface with { Routes = [IPNetwork.Parse("0.0.0.0/0")] } }, default);
        foreach (string direction in (string[])["out", "in", "fwd"])
        {
            string own = $"{direction} 10.1.0.0/24 → 10.1.0.0/24 Allow";
            Assert.Contains(own, Backstops(bench));
            uint priority = bench.Kernel.Policies.Single(p => Text(p) == own).Priority;
            Assert.All(bench.Kernel.Policies.Where(p => p.Action == XfrmPolicyAction.Block), p => Assert.True(p.Priority > priority));
        }
    }

    [Fact]
    public async Task A_bypass_passes_beside_an_interface_and_a_release_lets_go_of_what_is_dropped_last()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy() with { Interface = _interface, Bypass = [new SelectorPair(Policy().LocalSelectors, [TrafficSelector.Parse("10.2.0.5")])] }, default);
        uint bypass = bench.Kernel.Policies.Single(p => Text(p) == "out 10.1.0.0/24 → 10.2.0.5/32 Allow").Priority;
        Assert.True(bypass < bench.Kernel.Policies.Where(p => p.Action == XfrmPolicyAction.Block).Min(p => p.Priority));
        bench.Kernel.Journal.Clear();

        await bench.Plane.ReleaseAsync(Connection, default);

        Assert.Empty(bench.Kernel.Policies);
        bool[] dropped = [.. bench.Kernel.TakeJournal().Select(line => line.EndsWith("block", StringComparison.Ordinal))];
        Assert.Equal(dropped.Order(), dropped);
    }

    [Fact]
    public async Task They_are_written_anew_where_somebody_deletes_them()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Policy(remote: "10.2.0.0/24[udp/5000]") with { Interface = _interface }, default);
        IReadOnlyList<string> before = Backstops(bench);
        bench.Kernel.LosePolicies(p => p.Templates.Count == 0);
        bench.Plane.Take(new XfrmPoliciesFlushed());
        Assert.Equal(before.Order(), Backstops(bench).Order());
    }

    [Fact]
    public void Neighbor_discovery_is_never_forwarded()
    {
        Assert.Equal(
            ["fwd ::/0 port 135 → ::/0 protocol 58 Block", "fwd ::/0 port 136 → ::/0 protocol 58 Block"],
            KernelPolicies.NeighborDiscovery().Where(p => p.Direction == XfrmPolicyDirection.Forward).Select(Text));
        Assert.All(KernelPolicies.NeighborDiscovery(), p => Assert.Equal((uint)p.Direction, p.Index & 7));
    }

    private static void AssertPassesFirst(KernelPlaneBench bench, string what)
    {
        XfrmPolicy passes = bench.Kernel.Policies.Single(p => Text(p) == $"{what} by link {Index} Allow"), drops = bench.Kernel.Policies.Single(p => Text(p) == $"{what} Block");
        Assert.True(passes.Priority < drops.Priority);
    }

    private static List<string> Backstops(KernelPlaneBench bench)
    {
        List<XfrmPolicy> all = [.. bench.Kernel.Policies.Where(p => p.Templates.Count == 0 && KernelIds.RequestIdOf(p) == RequestId)];
        Assert.All(all, p => Assert.Equal(0u, p.InterfaceId));
        return [.. all.Select(Text)];
    }

    private static string Text(XfrmPolicy policy) => $"{XfrmPolicy.Text(policy.Direction)} {policy.Selector} {policy.Action}";
}
