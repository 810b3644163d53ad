using System.Buffers;
using System.Text;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Control;

namespace PcpuIpsec.Tests.Host;

public sealed class GatewayConfigurationTests : IDisposable
{
    private const string Key = "aVeryLongAndSecretKeyThatNobodyMaySee";
    private const string Json = $$"""
        {"dataPlane":"embedded","cpus":[0,1],"tunnels":[{"name":"lab","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"{{Key}}",
        "localSelectors":["10.1.0.0/24"],"remoteSelectors":["10.2.0.0/24"],"mode":"tunnel","perCpu":{"maxChildSas":9},"childRekeySeconds":0,"livenessSeconds":5}]}
        """;

    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    [Fact]
    public void A_configuration_becomes_the_librarys_options()
    {
        GatewayConfiguration configuration = Parse(Json);
        TunnelOptions tunnel = Assert.Single(configuration.Tunnels).ToOptions();

        Assert.Equal(DataPlaneKind.Embedded, configuration.DataPlane);
        Assert.Equal([0, 1], configuration.Cpus!);
        Assert.Equal("10.0.0.2", tunnel.RemoteAddress.ToString());
        Assert.Equal("10.2.0.0/24", Assert.Single(tunnel.RemoteSelectors).ToString());
        Assert.Equal(Key, Encoding.UTF8.GetString(tunnel.PreSharedKey!.Span));
        Assert.Equal(9, tunnel.PerCpu!.MaxChildSas);
        Assert.Null(tunnel.ChildRekeyTime);
        Assert.Null(tunnel.ChildLifeTime);
        Assert.Equal(TimeSpan.FromSeconds(5), tunnel.LivenessInterval);
    }

    [Theory]
    [InlineData("\"auto\"", "auto")]
    [InlineData("\"off\"", "off")]
    [InlineData("1300", "1300")]
    public void What_the_kernel_data_plane_alone_can_do_is_read_and_written(string json, string mss)
    {
        string fields = $$"""{"xfrmInterface":{"name":"ipsec0","id":42,"mtu":1400,"routes":["10.2.0.0/24"]},"mss":{{json}},"bypass":[{"remote":"10.9.0.0/16"}],"discard":[{"local":"10.1.0.1[tcp/25]","remote":"10.8.0.0/16"}]}""";
        GatewayConfiguration configuration = Parse($$"""{"tunnels":[{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2",{{fields[1..]}}]}""");
        TunnelOptions tunnel = configuration.Tunnels[0].ToOptions();

        Assert.Equal(("ipsec0", 42u, 1400), (tunnel.XfrmInterface!.Name, tunnel.XfrmInterface.Id!.Value, tunnel.XfrmInterface.Mtu!.Value));
        Assert.Equal(["10.2.0.0/24"], tunnel.XfrmInterface.Routes!);
        Assert.Equal(mss, tunnel.Mss.ToString());
        Assert.Equal(("LocalSelectors to 10.9.0.0/16", "10.1.0.1[tcp/25] to 10.8.0.0/16"), (Assert.Single(tunnel.Bypass).ToString(), Assert.Single(tunnel.Discard).ToString()));
        Assert.Contains(fields[1..^1], configuration.ToString());
    }

    [Fact]
    public void What_is_not_given_is_the_librarys_default()
    {
        TunnelOptions tunnel = Parse("""{"tunnels":[{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"}]}""").Tunnels[0].ToOptions();
        var defaults = new TunnelOptions { Name = "t", LocalAddress = tunnel.LocalAddress, RemoteAddress = tunnel.RemoteAddress };

        Assert.Equal(defaults, tunnel with { LocalSelectors = defaults.LocalSelectors, RemoteSelectors = defaults.RemoteSelectors, IkeSuites = defaults.IkeSuites, EspSuites = defaults.EspSuites, Bypass = defaults.Bypass, Discard = defaults.Discard });
        Assert.Equal(defaults.IkeSuites, tunnel.IkeSuites);
        Assert.Null(tunnel.PerCpu);
    }

    [Theory]
    [InlineData("""{"tunnels":[{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":12345678}]}""", "$.tunnels[0].preSharedKey")]
    [InlineData("""{"tunnels":[{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedSecret":"12345678"}]}""", "$.tunnels[0]")]
    [InlineData("""{"dataPlane":"12345678"}""", "$.dataPlane")]
    [InlineData("12345678 is no JSON", "line 1")]
    [InlineData("""{"tunnels":[{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","mss":"12345678"}]}""", "$.tunnels[0].mss")]
    [InlineData("null", "null")]
    public void A_wrong_configuration_is_refused_by_its_place_and_not_quoted(string json, string place)
    {
        var e = Assert.Throws<PcpuIpsecException>(() => Parse(json));

        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.Contains(place, e.Message);
        Assert.DoesNotContain("12345678", e.ToString());
    }

    [Fact]
    public void An_address_that_is_none_is_named()
        => Assert.Contains("LocalAddress = '10.0.0.256'", Assert.Throws<PcpuIpsecException>(
            () => Parse("""{"tunnels":[{"name":"t","localAddress":"10.0.0.256","remoteAddress":"10.0.0.2"}]}""").Tunnels[0].ToOptions()).Message);

    [Fact]
    public void Printing_it_redacts_the_key_and_writing_it_for_a_child_does_not()
    {
        GatewayConfiguration configuration = Parse(Json);
        var written = new ArrayBufferWriter<byte>();
        configuration.WriteWithKeys(written);

        Assert.DoesNotContain(Key, configuration.ToString());
        Assert.Contains("[redacted]", configuration.ToString());
        Assert.DoesNotContain(Key, configuration.Tunnels[0].ToString());
        Assert.DoesNotContain((byte)'\n', written.WrittenSpan.ToArray());
        Assert.Equal(Key, Encoding.UTF8.GetString(GatewayConfiguration.Parse(written.WrittenSpan).Tunnels[0].PreSharedKey!.Span));
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead, "0640")]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead, "0604")]
    public void A_file_that_others_can_read_is_refused(UnixFileMode mode, string shown)
    {
        File.WriteAllText(_file, Json);
        File.SetUnixFileMode(_file, mode);

        string message = Assert.Throws<PcpuIpsecException>(() => ConfigurationFile.Read(_file)).Message;

        Assert.Contains($"has mode {shown}", message);
        Assert.Contains("0600 or 0400", message);
    }

    [Fact]
    public void A_file_of_the_owners_alone_is_read()
    {
        File.WriteAllText(_file, Json);
        File.SetUnixFileMode(_file, UnixFileMode.UserRead | UnixFileMode.UserWrite);

        Assert.Equal("lab", ConfigurationFile.Read(_file).Tunnels[0].Name);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
        => Assert.Contains("'/no/such/file' cannot be read", Assert.Throws<PcpuIpsecException>(() => ConfigurationFile.Read("/no/such/file")).Message);

    private static GatewayConfiguration Parse(string json) => GatewayConfiguration.Parse(Encoding.UTF8.GetBytes(json));
}
