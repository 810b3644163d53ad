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
        Assert.Equal(19, Assert.Throws<NetlinkException>(() => ethtool.Channels("none")).Errno);
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
