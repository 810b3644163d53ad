using System.Diagnostics;
using System.Net;
using PcpuIpsec.Host;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Xfrm;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>
/// XFRM against the real kernel. Policies and acquires are there where XFRM is; states need ESP, and a kernel without it is to
/// be told as that.
/// </summary>
[Collection("namespaces")]
public sealed class XfrmSocketTests : IDisposable
{
    private readonly TestNetwork _network = new();
    private readonly XfrmSocket _xfrm;

    public XfrmSocketTests() => _xfrm = _network.West.Run(XfrmSocket.Open);

    public void Dispose()
    {
        _xfrm.Dispose();
        _network.Dispose();
    }

    [NamespaceFact("ip")]
    public void Policies_read_back_as_they_were_written_and_go_when_deleted()
    {
        XfrmPolicy outbound = Outbound();
        XfrmPolicy inbound = outbound with { Direction = XfrmPolicyDirection.In, Selector = outbound.Selector.Reversed, Templates = [outbound.Templates[0] with { Source = IPAddress.Parse(TestNetwork.EastOuter4), Destination = IPAddress.Parse(TestNetwork.WestOuter4), Optional = true }] };
        XfrmPolicy[] written =
        [
            outbound,
            inbound,
            inbound with { Direction = XfrmPolicyDirection.Forward },
            outbound with { Selector = outbound.Selector with { Protocol = 17, DestinationPort = XfrmPort.Exactly(53) }, Action = XfrmPolicyAction.Block, Templates = [], Mark = new XfrmMark(0x10, 0xf0), Flags = 0 },
            outbound with { Selector = new XfrmSelector { Source = XfrmPrefix.Parse("fd01::/64"), Destination = XfrmPrefix.Parse("fd02::/64") }, Flags = XfrmPolicyFlags.CpuAcquire, InterfaceId = 9 },
        ];
        foreach (XfrmPolicy policy in written)
            _xfrm.AddPolicy(policy);

        Assert.Equal(written.Select(Text).Order(), _xfrm.Policies().Select(Text).Order());
        XfrmPolicyTable table = _xfrm.PolicyTable();
        Assert.Equal((1u, 3u, 1u), (table.In, table.Out, table.Forward));

        NetlinkException twice = Assert.Throws<NetlinkException>(() => _xfrm.AddPolicy(outbound));
        Assert.Equal(17, twice.Errno); // EEXIST
        _xfrm.UpdatePolicy(outbound with { Action = XfrmPolicyAction.Block });
        XfrmPolicy found = _xfrm.FindPolicy(outbound)!;
        Assert.Equal(XfrmPolicyAction.Block, found.Action);
        Assert.NotNull(_xfrm.FindPolicy(found.Index, XfrmPolicyDirection.Out));

        Assert.True(_xfrm.DeletePolicy(found.Index, XfrmPolicyDirection.Out));
        Assert.Null(_xfrm.FindPolicy(outbound));
        foreach (XfrmPolicy policy in written[1..])
            Assert.True(_xfrm.DeletePolicy(policy));
        Assert.False(_xfrm.DeletePolicy(inbound));
        Assert.Empty(_xfrm.Policies());

        static string Text(XfrmPolicy p) => $"{p.Describe()} {p.Action} {p.Flags} {p.Mark} {p.Priority} {p.Limits} {string.Join(',', p.Templates)}";
    }

    [NamespaceFact("ip")]
    public void A_flush_leaves_no_policy()
    {
        _xfrm.AddPolicy(Outbound());
        _xfrm.FlushPolicies();
        Assert.Empty(_xfrm.Policies());
    }

    [NamespaceFact("ip")]
    public void Hash_thresholds_read_back_as_set()
    {
        _xfrm.SetHashThresholds(new XfrmHashThreshold(24, 16), new XfrmHashThreshold(64, 48));
        XfrmPolicyTable table = _xfrm.PolicyTable();
        Assert.Equal((new XfrmHashThreshold(24, 16), new XfrmHashThreshold(64, 48)), (table.IPv4, table.IPv6));
        Assert.Equal(0u, _xfrm.StateTable().States);
    }

    [NamespaceFact("ip", "ping", "taskset")]
    public void A_ping_raises_an_acquire_with_its_selector_and_without_a_fallback_SA_it_is_of_no_CPU()
    {
        int cpu = HostCpus.Allowed()[^1];
        using XfrmMonitor monitor = _network.West.Run(() => XfrmMonitor.Open(XfrmGroups.Acquire));
        _xfrm.AddPolicy(Outbound());
        XfrmAcquire acquire = Ping(monitor, cpu);

        Assert.Equal(Outbound().Selector, acquire.Policy.Selector);
        Assert.Equal(_xfrm.Policies().Single().Index, acquire.PolicyIndex);
        Assert.Equal((XfrmPrefix.Parse(TestNetwork.WestInner4 + "/32"), XfrmPrefix.Parse(TestNetwork.EastInner4 + "/32"), (byte)1), (acquire.Trigger.Source, acquire.Trigger.Destination, acquire.Trigger.Protocol));
        Assert.Equal((TestNetwork.WestOuter4, TestNetwork.EastOuter4, 7u), (acquire.Source.ToString(), acquire.Destination.ToString(), acquire.Template!.RequestId));
        Assert.NotEqual(0u, acquire.Sequence);
        Assert.Null(acquire.Cpu);

        _xfrm.FlushStates();
        _xfrm.UpdatePolicy(Outbound() with { Flags = XfrmPolicyFlags.CpuAcquire });
        acquire = Ping(monitor, cpu);
        Assert.Equal(XfrmPolicyFlags.CpuAcquire, acquire.Policy.Flags);
        Assert.Null(acquire.Cpu);
    }

    [NamespaceFact("ip")]
    public void An_allocated_SPI_is_in_its_range_and_a_larval_state()
    {
        uint spi;
        try
        {
            spi = _xfrm.AllocateSpi(Inbound(), 0xc0000000, 0xc000ffff);
        }
        catch (NetlinkException e)
        {
            Assert.Fail(e.Message);
            return;
        }
        Assert.InRange(spi, 0xc0000000u, 0xc000ffffu);
        XfrmInstalledState state = Assert.Single(_xfrm.States());
        Assert.True(state.IsLarval);
        Assert.Equal((spi, 7u), (state.State.Spi, state.State.RequestId));
        Assert.Equal(1u, _xfrm.StateTable().States);
        Assert.NotNull(_xfrm.FindState(state.State.Id));
        Assert.True(_xfrm.DeleteState(state.State.Id));
        Assert.False(_xfrm.DeleteState(state.State.Id));
        Assert.Null(_xfrm.FindState(state.State.Id));
    }

    [NamespaceFact("ip")]
    public void An_ESP_state_is_installed_or_refused_with_the_one_reason_that_there_is_no_ESP()
    {
        XfrmState state = XfrmRequestTests.Outbound;
        try
        {
            _xfrm.AddState(state, XfrmRequestTests.Gcm, new byte[20], []);
        }
        catch (XfrmUnsupportedException e)
        {
            Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
            Assert.Contains("no ESP", e.Message);
            Assert.Contains("not found", e.Message);
            Assert.Empty(_xfrm.States());
            return;
        }
        XfrmInstalledState installed = Assert.Single(_xfrm.States());
        Assert.Equal((state.Spi, "rfc4106(gcm(aes))"), (installed.State.Spi, installed.Encryption));
    }

    [NamespaceFact("ip", "ping")]
    public void Statistics_are_those_of_the_namespace()
    {
        _xfrm.AddPolicy(Outbound() with { Action = XfrmPolicyAction.Block, Templates = [] });
        TestNetwork.TryInNamespace(_network.WestName, $"ping -c 1 -W 1 -I {TestNetwork.WestInner4} {TestNetwork.EastInner4}");

        IReadOnlyDictionary<string, long>? west = _network.West.Run(XfrmStatistics.Read), east = _network.East.Run(XfrmStatistics.Read);

        if (west is null)
        {
            Assert.False(File.Exists("/proc/self/net/xfrm_stat"));
            return;
        }
        Assert.True(west["XfrmOutPolBlock"] > 0);
        Assert.Equal(0, east!["XfrmOutPolBlock"]);
    }

    [NamespaceFact("ip")]
    public void A_monitor_that_is_not_read_tells_what_it_lost_and_reads_on()
    {
        using XfrmMonitor monitor = _network.West.Run(() => XfrmMonitor.Open(XfrmGroups.Policy, receiveBufferBytes: 4096));
        for (int i = 0; i < 200; i++)
            _xfrm.UpdatePolicy(Outbound() with { Priority = (uint)(1000 + i) });

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using IEnumerator<XfrmEvent> events = monitor.Read(limit.Token).GetEnumerator();
        bool lost = false;
        do
            Assert.True(events.MoveNext(), "no loss was told");
        while (!(lost |= events.Current is XfrmEventsLost));

        // What fills the queue up no more comes through.
        _xfrm.FlushPolicies();
        do
            Assert.True(events.MoveNext(), "nothing came behind the loss");
        while (events.Current is not XfrmPoliciesFlushed);
    }

    [NamespaceFact("ip")]
    public void An_XFRM_interface_has_its_interface_id_or_the_kernel_says_that_it_knows_none()
    {
        using RouteSocket routes = _network.West.Run(RouteSocket.Open);
        try
        {
            routes.CreateXfrmInterface("xf0", 42, routes.RequireLink("wire").Index, 1400);
        }
        catch (NetlinkException e) when (e.Errno == 95)
        {
            Assert.Equal("Unknown device type", e.KernelText);
            return;
        }
        Link link = routes.RequireLink("xf0");
        Assert.Equal(("xfrm", 1400, (uint?)42), (link.Kind, link.Mtu, link.XfrmInterfaceId));
        routes.DeleteLink(link.Index);
    }

    [NamespaceFact("ip")]
    public void A_route_keeps_its_MTU_and_announced_segment_size()
    {
        using RouteSocket routes = _network.West.Run(RouteSocket.Open);
        var route = new Route { Destination = IPNetwork.Parse("10.9.0.0/24"), OutputInterface = routes.RequireLink("wire").Index, Table = 9611, Mtu = 1400, AdvertisedMss = 1360 };
        routes.AddRoute(route);
        Assert.Equal((1400, 1360), Assert.Single(routes.Routes(9611)) is var r ? (r.Mtu!.Value, r.AdvertisedMss!.Value) : default);
    }

    private static XfrmPolicy Outbound() => new()
    {
        Selector = new XfrmSelector { Source = XfrmPrefix.Parse("10.1.0.0/24"), Destination = XfrmPrefix.Parse("10.2.0.0/24") },
        Direction = XfrmPolicyDirection.Out,
        Priority = 1000,
        Templates = [XfrmSamples.Template(TestNetwork.WestOuter4, TestNetwork.EastOuter4)],
    };

    private static XfrmState Inbound() => new()
    {
        Source = IPAddress.Parse(TestNetwork.EastOuter4),
        Destination = IPAddress.Parse(TestNetwork.WestOuter4),
        Spi = 0,
        Mode = XfrmMode.Tunnel,
        RequestId = 7,
        Direction = XfrmSaDirection.In,
    };

    private XfrmAcquire Ping(XfrmMonitor monitor, int cpu)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using Process ping = Process.Start(new ProcessStartInfo("ip",
            $"netns exec {_network.WestName} taskset -c {cpu} ping -c 1 -W 1 -I {TestNetwork.WestInner4} {TestNetwork.EastInner4}")
        { RedirectStandardOutput = true, RedirectStandardError = true })!;
        XfrmAcquire acquire = monitor.Read(limit.Token).OfType<XfrmAcquire>().FirstOrDefault() ?? throw new TimeoutException("no acquire came");
        Assert.True(ping.WaitForExit(TimeSpan.FromSeconds(30)));
        return acquire;
    }
}
