using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;
using static PcpuIpsec.Tests.Xfrm.KernelPlaneBench;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>Bypass, discard and interfaces, by the policies and states that the kernel data plane asks the kernel for.</summary>
public class KernelPlaneExceptionTests
{
    private const string Protected = "10.1.0.0/24 → 10.2.0.0/24";

    private static readonly RoutedInterface _interface = new("ipsec0", 42, null, [IPNetwork.Parse("10.2.0.0/24")]);

    [Fact]
    public async Task What_passes_and_what_is_dropped_goes_before_the_tunnel_in_both_directions_and_says_whose_it_is()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Exceptions(), default);

        Assert.StartsWith("policy out " + Protected, bench.Kernel.Journal[0]);
        List<XfrmPolicy> exceptions = [.. bench.Kernel.Policies.Where(p => p.Templates.Count == 0)];
        Assert.Equal(12, exceptions.Count);
        Assert.All(exceptions, p => Assert.Equal(RequestId, KernelIds.RequestIdOf(p)));
        uint tunnel = bench.Kernel.Policies.Where(p => p.Templates.Count > 0).Max(p => p.Priority);
        Assert.All(exceptions, p => Assert.True(p.Priority < tunnel - 100_000));
        foreach (XfrmPolicyDirection direction in new[] { XfrmPolicyDirection.Out, XfrmPolicyDirection.In, XfrmPolicyDirection.Forward })
        {
            Assert.Equal(["10.1.0.0/24 → 10.2.0.5/32", "10.2.0.5/32 → 10.1.0.0/24"], Of(direction, XfrmPolicyAction.Allow));
            Assert.Equal(["10.1.0.0/24 → 10.2.0.6/32 port 25 protocol 6", "10.2.0.6/32 port 25 → 10.1.0.0/24 protocol 6"], Of(direction, XfrmPolicyAction.Block));
        }

        IEnumerable<string> Of(XfrmPolicyDirection direction, XfrmPolicyAction action)
            => exceptions.Where(p => p.Direction == direction && p.Action == action).Select(p => p.Selector.ToString());
    }

    [Fact]
    public async Task At_a_release_nothing_passes_that_did_not_before_and_what_is_dropped_is_let_go_last()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Exceptions(), default);
        await bench.InstallAsync(cpu: null, 1);
        bench.Kernel.Journal.Clear();

        await bench.Plane.ReleaseAsync(Connection, default);

        IReadOnlyList<string> journal = bench.Kernel.TakeJournal();
        Assert.Equal(["sa", "sa", .. Enumerable.Repeat("pass", 6), "in", "fwd", "out", .. Enumerable.Repeat("block", 6)], journal.Select(Kind));
        Assert.Empty(bench.Kernel.Policies);

        static string Kind(string line) => line.Split(' ') is [_, "sa", ..] ? "sa" : line.EndsWith(" pass", StringComparison.Ordinal) ? "pass" : line.EndsWith(" block", StringComparison.Ordinal) ? "block" : line.Split(' ')[2];
    }

    [Fact]
    public async Task Two_tunnels_with_the_same_exception_each_have_their_own()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Exceptions(), default);
        await bench.Plane.HoldAsync(Exceptions("second") with { RemoteSelectors = [TrafficSelector.Parse("10.3.0.0/24")] }, default);
        await bench.Plane.ReleaseAsync("second", default);
        Assert.Equal(12, bench.Kernel.Policies.Count(p => p.Templates.Count == 0 && KernelIds.RequestIdOf(p) == RequestId));
    }

    [Fact]
    public async Task An_exception_that_is_no_longer_wanted_goes_when_the_hold_is_taken_over()
    {
        var kernel = new FakeXfrm();
        KernelPlaneBench killed = Create(kernel);
        await killed.Plane.HoldAsync(Exceptions(), default);
        await using KernelPlaneBench next = Create(kernel);
        Assert.Equal(PriorHold.Held, await next.Plane.HoldAsync(Policy(), default));
        Assert.Equal(3, kernel.Policies.Count);
    }

    [Fact]
    public async Task The_flag_for_acquires_is_never_put_on_an_exception()
    {
        await using KernelPlaneBench bench = Create();
        await bench.Plane.HoldAsync(Exceptions() with { AcquirePerCpu = true }, default);
        await bench.InstallAsync(cpu: null, 1);
        await bench.Plane.AllowAcquiresAsync(Connection, true, default);
        Assert.Single(bench.Kernel.Policies, p => p.Flags == XfrmPolicyFlags.CpuAcquire);
    }

    [Fact]
    public async Task With_an_interface_policies_SPIs_and_states_have_its_number_and_what_leaves_has_the_mark()
    {
        var route = new FakeLinks();
        await using KernelPlaneBench bench = Create(routes: route.Socket());
        await bench.Plane.HoldAsync(Policy() with { Interface = _interface, Discard = [To("10.2.0.6")] }, default);
        (uint inbound, uint outbound) = await bench.InstallAsync(cpu: 1, 1);

        Assert.All(bench.Kernel.Policies.Where(p => p.Templates.Count > 0), p => Assert.Equal(42u, p.InterfaceId));
        // On the way to the interface without its number, and out of it with it.
        Assert.Equal([0u, 42u], bench.Kernel.Policies.Where(p => p.Action == XfrmPolicyAction.Block).Select(p => p.InterfaceId).Distinct().Order());
        Assert.Equal((42u, 42u), (bench.State(inbound).InterfaceId, bench.State(outbound).InterfaceId));
        Assert.Equal((null, new XfrmMark(KernelIds.Mark)), (bench.State(inbound).OutputMark, bench.State(outbound).OutputMark));
        Assert.Equal(("ipsec0", RequestId), (route.Name, route.Group));
    }

    [Fact]
    public async Task An_interface_that_cannot_be_made_leaves_nothing_held()
    {
        var route = new FakeLinks { RefuseLinks = 95 };
        await using KernelPlaneBench bench = Create(routes: route.Socket());
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await bench.Plane.HoldAsync(Policy() with { Interface = _interface }, default));
        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains("CONFIG_XFRM_INTERFACE", e.Message);
        Assert.Empty(bench.Kernel.Policies);
    }

    private static TrafficPolicy Exceptions(string connection = Connection) => Policy(connection) with
    {
        Bypass = [To("10.2.0.5")],
        Discard = [To("10.2.0.6[tcp/25]")],
    };

    private static SelectorPair To(string remote) => new(Policy().LocalSelectors, [TrafficSelector.Parse(remote)]);
}
