using PcpuIpsec.Client;
using PcpuIpsec.Ethtool;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>ethtool's netlink against the real kernel, on veth.</summary>
[Collection("namespaces")]
public sealed class EthtoolSocketTests : IDisposable
{
    private readonly TemporaryNamespace _namespace = new();

    public EthtoolSocketTests()
    {
        using RouteSocket routes = _namespace.Namespace.OpenRoutes();
        routes.CreateVeth(new VethEnd { Name = "v0", Queues = 2 }, new VethEnd { Name = "v1", Queues = 1 });
        foreach (string name in (string[])["v0", "v1"])
            routes.SetUp(routes.RequireLink(name).Index);
    }

    public void Dispose() => _namespace.Dispose();

    [NamespaceFact]
    public void A_veth_tells_its_queues_and_features_and_has_no_rings()
    {
        using EthtoolSocket ethtool = _namespace.Namespace.Run(EthtoolSocket.TryOpen)!;

        Channels channels = ethtool.Channels("v0")!;
        Assert.Equal((2, 2), (channels.Receiving, channels.ReceivingMax));
        Assert.Equal(1, ethtool.Channels("v1")!.Receiving);
        Assert.Null(ethtool.Rings("v0"));
        Features features = ethtool.Features("v0")!;
        Assert.Contains("tx-tcp-segmentation", features.Active);
        Assert.Contains(Features.Gro, features.Changeable);
        Assert.DoesNotContain(Features.EspOffload, features.Active);
        foreach (Action missing in (Action[])[() => ethtool.Channels("none"), () => ethtool.Driver("none"), () => ethtool.Rules("none")])
            Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(missing).Error);
    }

    [NamespaceFact]
    public void A_veths_channels_are_set_and_set_back_and_more_than_it_has_are_refused_with_the_kernels_words()
    {
        using EthtoolSocket ethtool = _namespace.Namespace.Run(EthtoolSocket.TryOpen)!;
        Channels before = ethtool.Channels("v0")!;

        Channels one = ethtool.SetChannels("v0", before with { Rx = 1 });

        Assert.Equal(before with { Rx = 1 }, one);
        EthtoolException e = Assert.Throws<EthtoolException>(() => ethtool.SetChannels("v0", before with { Rx = 3 }));
        Assert.Equal(22, e.Errno);
        Assert.Contains("maximum", e.KernelText, StringComparison.Ordinal);
        Assert.Equal(one, ethtool.Channels("v0"));
        Assert.Equal(before, ethtool.SetChannels("v0", before));
    }

    [NamespaceFact]
    public void A_veths_features_are_set_and_set_back_and_what_is_fixed_says_so()
    {
        using EthtoolSocket ethtool = _namespace.Namespace.Run(EthtoolSocket.TryOpen)!;
        Features before = ethtool.Features("v0")!;
        bool gro = before.Active.Contains(Features.Gro), list = before.Active.Contains(Features.GroList);

        FeatureOutcome outcome = ethtool.SetFeatures("v0", new Dictionary<string, bool> { [Features.Gro] = !gro, [Features.GroList] = !list, [Features.EspOffload] = true });

        Assert.Equal([Features.EspOffload], outcome.Refused.Keys);
        Assert.Contains("fixed", outcome.Refused[Features.EspOffload], StringComparison.Ordinal);
        Assert.Equal((!gro, !list), (outcome.Now.Active.Contains(Features.Gro), outcome.Now.Active.Contains(Features.GroList)));
        Assert.Empty(ethtool.SetFeatures("v0", new Dictionary<string, bool> { [Features.Gro] = gro, [Features.GroList] = list }).Refused);
        AssertSame(before, ethtool.Features("v0")!);

        static void AssertSame(Features a, Features b)
        {
            Assert.True(a.Active.SetEquals(b.Active));
            Assert.True(a.Wanted.SetEquals(b.Wanted));
        }
    }

    [NamespaceFact]
    public void A_veth_has_a_driver_and_counters_and_none_of_what_a_NIC_has_and_says_so_where_it_is_set()
    {
        using EthtoolSocket ethtool = _namespace.Namespace.Run(EthtoolSocket.TryOpen)!;

        Assert.Equal("veth", ethtool.Driver("v0")!.Name);
        Assert.Null(ethtool.PermanentAddress("v0"));
        IReadOnlyDictionary<string, ulong> statistics = ethtool.Statistics("v0");
        Assert.Equal((ulong)_namespace.Namespace.OpenRoutes().RequireLink("v1").Index, statistics["peer_ifindex"]);
        Assert.Contains("rx_queue_1_xdp_packets", statistics.Keys);

        Assert.Null(ethtool.Coalescing("v0"));
        Assert.Null(ethtool.QueueCoalescing("v0", 0));
        Assert.Null(ethtool.Pause("v0"));
        Assert.Null(ethtool.Rss("v0"));
        Assert.Null(ethtool.HashFields("v0", FlowType.Udp4));
        Assert.Null(ethtool.Rules("v0"));
        Assert.Empty(ethtool.RssContexts("v0") ?? []);
        Action[] settings =
        [
            () => ethtool.SetCoalescing("v0", new Dictionary<string, long> { ["rx-usecs"] = 1 }),
            () => ethtool.SetPause("v0", new Pause(false, false, false)),
            () => ethtool.SetRings("v0", new Rings(1, 1, 1, 1)),
            () => ethtool.ResetRssTable("v0"),
            () => ethtool.CreateRssContext("v0", [0]),
            () => ethtool.SetHashFields("v0", FlowType.Udp4, HashFields.SourceAddress),
            () => ethtool.InsertRule("v0", FlowRule.Esp(System.Net.Sockets.AddressFamily.InterNetwork, 1, 0)),
            () => ethtool.DeleteRule("v0", 0),
        ];
        foreach (Action setting in settings)
        {
            EthtoolException e = Assert.Throws<EthtoolException>(setting);
            Assert.Equal((PcpuIpsecError.HostUnable, 95, "v0"), (e.Error, e.Errno, e.Interface));
        }
    }

    [NamespaceFact]
    public void The_checks_look_at_the_interfaces_of_the_namespace_that_they_run_in()
    {
        IReadOnlyList<HostCheck> checks = _namespace.Namespace.Run(() => InterfaceChecks.Run(cpus: 2));

        Assert.Equal(CheckOutcome.Pass, Assert.Single(checks, c => c.Name == "queues-v0").Outcome);
        Assert.Equal(CheckOutcome.Warning, Assert.Single(checks, c => c.Name == "queues-v1").Outcome);
        Assert.DoesNotContain(checks, c => c.Name.EndsWith("-lo", StringComparison.Ordinal));
        Assert.All(checks, c => Assert.Equal(c.Outcome != CheckOutcome.Pass, c.Advice is not null));
    }
}
