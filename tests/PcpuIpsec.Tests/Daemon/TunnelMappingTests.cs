using System.Text;
using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;

namespace PcpuIpsec.Tests.Daemon;

public sealed class TunnelMappingTests
{
    [Fact]
    public void A_declaration_becomes_the_librarys_options()
    {
        TunnelOptions tunnel = Options("""
            {"name":"lab","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"unused","localSelectors":["10.1.0.0/24"],"remoteSelectors":["10.2.0.0/24"],
            "mode":"tunnel","perCpu":{"maxChildSas":9,"idleSeconds":60,"cpus":[0]},"childRekeySeconds":0,"livenessSeconds":5,"retransmitGiveUpSeconds":7.5,"startAction":"initiate"}
            """);

        Assert.Equal("10.0.0.2", tunnel.RemoteAddress.ToString());
        Assert.Equal("10.2.0.0/24", Assert.Single(tunnel.RemoteSelectors).ToString());
        Assert.Equal("key", Encoding.UTF8.GetString(tunnel.PreSharedKey!.Span));
        Assert.Equal((9, TimeSpan.FromMinutes(1), 0), (tunnel.PerCpu!.MaxChildSas!.Value, tunnel.PerCpu.IdleTime!.Value, Assert.Single(tunnel.PerCpu.Cpus!)));
        Assert.Null(tunnel.ChildRekeyTime);
        Assert.Equal(TimeSpan.FromSeconds(5), tunnel.LivenessInterval);
        Assert.Equal(TimeSpan.FromSeconds(7.5), tunnel.RetransmitGiveUp);
        Assert.Equal(StartAction.Initiate, tunnel.StartAction);
    }

    [Theory]
    [InlineData("\"auto\"", "auto")]
    [InlineData("\"off\"", "off")]
    [InlineData("1300", "1300")]
    public void What_the_kernel_data_plane_alone_can_do_is_read_and_written(string json, string mss)
    {
        string fields = $$"""{"xfrmInterface":{"name":"ipsec0","id":42,"mtu":1400,"routes":["10.2.0.0/24"]},"mss":{{json}},"bypass":[{"remote":"10.9.0.0/16"}],"discard":[{"local":"10.1.0.1[tcp/25]","remote":"10.8.0.0/16"}]}""";
        string text = $$"""{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2",{{fields[1..]}}""";
        TunnelOptions tunnel = Options(text);

        Assert.Equal(("ipsec0", 42u, 1400), (tunnel.XfrmInterface!.Name, tunnel.XfrmInterface.Id!.Value, tunnel.XfrmInterface.Mtu!.Value));
        Assert.Equal(["10.2.0.0/24"], tunnel.XfrmInterface.Routes!);
        Assert.Equal(mss, tunnel.Mss.ToString());
        Assert.Equal(("LocalSelectors to 10.9.0.0/16", "10.1.0.1[tcp/25] to 10.8.0.0/16"), (Assert.Single(tunnel.Bypass).ToString(), Assert.Single(tunnel.Discard).ToString()));
        Assert.Equal(text, JsonSerializer.Serialize(WireReader.Read(Encoding.UTF8.GetBytes(text), WireJson.Default.TunnelDefinition), WireJson.Default.TunnelDefinition));
    }

    [Fact]
    public void What_is_not_given_is_the_librarys_default()
    {
        TunnelOptions tunnel = Options("""{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"}""");
        var defaults = new TunnelOptions { Name = "t", LocalAddress = tunnel.LocalAddress, RemoteAddress = tunnel.RemoteAddress };

        Assert.Equal(
            defaults,
            tunnel with
            {
                PreSharedKey = null,
                Words = defaults.Words,
                LocalSelectors = defaults.LocalSelectors,
                RemoteSelectors = defaults.RemoteSelectors,
                IkeSuites = defaults.IkeSuites,
                EspSuites = defaults.EspSuites,
                Bypass = defaults.Bypass,
                Discard = defaults.Discard,
            });
    }

    /// <summary>What is wrong is told as it was declared: by the names of JSON, times in seconds.</summary>
    [Theory]
    [InlineData("""{"perCpu":{"idleSeconds":1}}""", "perCpu.idleSeconds: '1' is not allowed; allowed: 5 to 86400")]
    [InlineData("""{"perCpu":{"cpus":[]}}""", "perCpu.cpus: an empty list; allowed are one or more of 0, or null for all of them")]
    [InlineData("""{"perCpu":{"maxChildSas":0}}""", "perCpu.maxChildSas: '0' is not allowed; allowed: 1 to 16384")]
    [InlineData("""{"childRekeySeconds":0.5}""", "childRekeySeconds: '0.5' is not allowed; allowed: 1 to 31536000")]
    [InlineData("""{"livenessSeconds":100000}""", "livenessSeconds: '100000' is not allowed; allowed: 1 to 86400")]
    [InlineData("""{"retransmitGiveUpSeconds":0}""", "retransmitGiveUpSeconds: '0' is not allowed; allowed: 1 to 3600")]
    [InlineData("""{"natTraversalPort":500}""", "natTraversalPort: '500' is not allowed; allowed: a port other than ikePort, since its datagrams carry a marker that those do not")]
    [InlineData("""{"localSelectors":["10.1.0.0/24","x"]}""", "localSelectors[1]: ")]
    [InlineData("""{"mode":"transport","localSelectors":["10.1.0.0/24"]}""", "localSelectors[0]: '10.1.0.0/24' is not allowed; allowed: localAddress 10.0.0.1 itself, since the mode is transport")]
    [InlineData("""{"xfrmInterface":{"name":"a b"}}""", "xfrmInterface.name: 'a b' is not allowed; allowed: 1 to 15 characters without spaces, '/' and ':'")]
    [InlineData("""{"xfrmInterface":{"name":"a","mtu":1}}""", "xfrmInterface.mtu: '1' is not allowed; allowed: 1280 to 65535")]
    [InlineData("""{"xfrmInterface":{"name":"a","routes":["10.2.0.0/24","x"]}}""", "xfrmInterface.routes[1]: 'x' is not allowed")]
    [InlineData("""{"bypass":[{}]}""", "bypass[0]: 'localSelectors to remoteSelectors' is not allowed; allowed: local, remote or both")]
    [InlineData("""{"mss":"big"}""", "mss: 'big' is not allowed; allowed: auto, off or a number")]
    [InlineData("""{"mss":100}""", "mss: '100' is not allowed; allowed: 536 to 65495")]
    [InlineData("""{"ikeSuites":["rot13"]}""", "ikeSuites[0]: ")]
    public void Faults_are_told_in_the_words_of_the_declaration(string fields, string told)
    {
        var e = Assert.Throws<PcpuIpsecException>(() => Options($$"""{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2",{{fields[1..]}}""").Validate([0], [0]).Dispose());

        Assert.StartsWith(told, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Words_mean_the_same_on_both_sides_of_the_api()
    {
        Assert.Equal(Enum.GetNames<PcpuIpsec.Ike.IpsecMode>(), Enum.GetNames<TunnelMode>());
        Assert.Equal(Enum.GetNames<StartAction>(), Enum.GetNames<TunnelStartAction>());
        Assert.Equal(Enum.GetNames<PcpuIpsec.Gateway.TunnelState>(), Enum.GetNames<PcpuIpsec.Client.TunnelState>());
    }

    private static TunnelOptions Options(string json)
        => TunnelMapping.ToOptions(WireReader.Read(Encoding.UTF8.GetBytes(json), WireJson.Default.TunnelDefinition), Secret.CopyOf("key"u8));
}
