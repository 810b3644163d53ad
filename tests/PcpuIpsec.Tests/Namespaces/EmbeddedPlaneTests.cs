using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Namespaces;

[Collection("namespaces")]
public sealed class EmbeddedPlaneTests
{
    [Theory]
    [InlineData(false, false, IpsecMode.Tunnel, false)]
    [InlineData(false, false, IpsecMode.Tunnel, true)]
    [InlineData(false, true, IpsecMode.Tunnel, false)]
    [InlineData(true, false, IpsecMode.Tunnel, true)]
    [InlineData(true, true, IpsecMode.Tunnel, false)]
    [InlineData(true, true, IpsecMode.Tunnel, true)]
    [InlineData(false, false, IpsecMode.Transport, false)]
    [InlineData(false, false, IpsecMode.Transport, true)]
    [InlineData(true, true, IpsecMode.Transport, false)]
    [InlineData(true, true, IpsecMode.Transport, true)]
    public async Task A_ping_goes_through_in_every_shape(bool outerIPv6, bool innerIPv6, IpsecMode mode, bool encapsulate)
    {
        using var network = new TestNetwork();
        await using ManualTunnel tunnel = await ManualTunnel.UpAsync(network, new TunnelShape { OuterIPv6 = outerIPv6, InnerIPv6 = innerIPv6, Mode = mode, Encapsulate = encapsulate });

        (int exitCode, string output) = TestNetwork.TryInNamespace(network.WestName, $"ping -c 5 -i 0.01 -W 2 -I {tunnel.WestInner} {tunnel.EastInner}");

        Assert.True(exitCode == 0 && output.Contains(" 5 received"), output + Drops(tunnel));
        Assert.Equal(5, tunnel.West.ReadSaCounters().Where(c => c.Direction == SaDirection.Outbound).Sum(c => c.Packets));
        Assert.Equal(5, tunnel.East.ReadSaCounters().Where(c => c.Direction == SaDirection.Inbound).Sum(c => c.Packets));
        Assert.Equal(5, tunnel.East.ReadSaCounters().Where(c => c.Direction == SaDirection.Outbound).Sum(c => c.Packets));
    }

    private static string Drops(ManualTunnel tunnel)
        => $"\nwest: {Text(tunnel.West.ReadDropCounters())}\neast: {Text(tunnel.East.ReadDropCounters())}";

    private static string Text(IReadOnlyDictionary<string, long> drops) => string.Join(", ", drops.Where(d => d.Value != 0));
}
