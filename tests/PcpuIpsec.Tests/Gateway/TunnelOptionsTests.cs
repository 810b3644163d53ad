using System.Net;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Gateway;

public class TunnelOptionsTests
{
    private static readonly int[] _online = [0, 1];

    public static TheoryData<string, string, string, string> Wrong() => new()
    {
        { "empty name", "Name", "''", "1 to 64" },
        { "name of a folder", "Name", "'..'", "other than" },
        { "name with a slash", "Name", "'a/b'", "letters" },
        { "long name", "Name", new string('x', 65), "1 to 64" },
        { "local any", "LocalAddress", "0.0.0.0", "unicast" },
        { "local multicast", "LocalAddress", "224.0.0.1", "unicast" },
        { "remote broadcast", "RemoteAddress", "255.255.255.255", "unicast" },
        { "remote IPv6 multicast", "RemoteAddress", "ff02::1", "unicast" },
        { "mapped", "LocalAddress", "::ffff:10.0.0.1", "unicast" },
        { "other family", "RemoteAddress", "2001:db8::2", "same family as LocalAddress 10.0.0.1" },
        { "same address", "RemoteAddress", "10.0.0.1", "other than LocalAddress" },
        { "local id", "LocalId", "not an id!", "" },
        { "remote id", "RemoteId", "not an id!", "" },
        { "no key", "PreSharedKey", "none", "either PreSharedKey or PreSharedKeyFile" },
        { "two keys", "PreSharedKey", "beside", "either PreSharedKey or PreSharedKeyFile" },
        { "empty key", "PreSharedKey", "0 bytes", "1 to 4096 bytes" },
        { "long key", "PreSharedKey", "4097 bytes", "1 to 4096 bytes" },
        { "local selector", "LocalSelectors[1]", "192.0.1.300/24", "" },
        { "remote selector", "RemoteSelectors[0]", "nonsense", "" },
        { "many selectors", "LocalSelectors", "65 selectors", "0 to 64" },
        { "families apart", "RemoteSelectors", "2001:db8::/32", "same family" },
        { "transport subnet", "LocalSelectors[0]", "192.0.1.0/24", "10.0.0.1 itself" },
        { "mode", "Mode", "7", "Tunnel or Transport" },
        { "start action", "StartAction", "7", "Wait or Initiate" },
        { "IKE suite", "IkeSuites[0]", "aes129gcm16", "nearest" },
        { "ESP suite", "EspSuites[1]", "blowfish", "nearest" },
        { "IKE port 0", "IkePort", "'0'", "1 to 65535" },
        { "NAT port", "NatTraversalPort", "65536", "1 to 65535" },
        { "equal ports", "NatTraversalPort", "'500'", "other than IkePort" },
        { "window 0", "WindowSize", "'0'", "1 to 256" },
        { "replay 63", "ReplayWindow", "63", "64 to 4096" },
        { "replay 4097", "ReplayWindow", "4097", "64 to 4096" },
        { "child rekey", "ChildRekeyTime", "00:00:00", "00:00:01 to 365" },
        { "child life", "ChildLifeTime", "00:30:00", "more than ChildRekeyTime 01:00:00" },
        { "life bytes", "ChildLifeBytes", "'10'", "more than ChildRekeyBytes 20" },
        { "life packets", "ChildLifePackets", "'10'", "more than ChildRekeyPackets 3000000000" },
        { "rekey bytes 0", "ChildRekeyBytes", "'0'", "1 and more" },
        { "IKE rekey", "IkeRekeyTime", "-00:00:01", "00:00:01 to 365" },
        { "liveness", "LivenessInterval", "2.00:00:00", "00:00:01 to 1.00:00:00" },
        { "retransmit", "RetransmitInitial", "00:00:00.0010000", "00:00:00.0100000 to 00:01:00" },
        { "factor", "RetransmitFactor", "0.5", "1 to 10" },
        { "factor NaN", "RetransmitFactor", "NaN", "1 to 10" },
        { "give up", "RetransmitGiveUp", "00:00:05", "longer than RetransmitInitial 00:00:10" },
        { "CPU offline", "PerCpu.Cpus", "CPU 9 is not online", "online are 0-1" },
        { "CPU not the plane's", "PerCpu.Cpus", "CPU 1 is none of the data plane's", "those are 0" },
        { "CPU twice", "PerCpu.Cpus", "0,0", "each once" },
        { "no CPU", "PerCpu.Cpus", "an empty list", "null for all" },
        { "idle time", "PerCpu.IdleTime", "'00:00:01'", "00:00:05 to 1.00:00:00" },
        { "no Child SAs", "PerCpu.MaxChildSas", "'0'", "1 to 16384" },
    };

    private static TunnelOptions Case(string name)
    {
        TunnelOptions east = TestTunnels.East();
        return name switch
        {
            "empty name" => east with { Name = "" },
            "name of a folder" => east with { Name = ".." },
            "name with a slash" => east with { Name = "a/b" },
            "long name" => east with { Name = new string('x', 65) },
            "local any" => east with { LocalAddress = IPAddress.Any },
            "local multicast" => east with { LocalAddress = IPAddress.Parse("224.0.0.1") },
            "remote broadcast" => east with { RemoteAddress = IPAddress.Broadcast },
            "remote IPv6 multicast" => east with { RemoteAddress = IPAddress.Parse("ff02::1") },
            "mapped" => east with { LocalAddress = IPAddress.Parse("::ffff:10.0.0.1") },
            "other family" => east with { RemoteAddress = IPAddress.Parse("2001:db8::2") },
            "same address" => east with { RemoteAddress = east.LocalAddress },
            "local id" => east with { LocalId = "not an id!" },
            "remote id" => east with { RemoteId = "not an id!" },
            "no key" => east with { PreSharedKey = null },
            "two keys" => east with { PreSharedKeyFile = "/nowhere" },
            "empty key" => east with { PreSharedKey = Secret.CopyOf([]) },
            "long key" => east with { PreSharedKey = Secret.CopyOf(new byte[4097]) },
            "local selector" => east with { LocalSelectors = ["192.0.1.0/24", "192.0.1.300/24"] },
            "remote selector" => east with { RemoteSelectors = ["nonsense"] },
            "many selectors" => east with { LocalSelectors = [.. Enumerable.Repeat<SelectorOption>("192.0.1.0/24", 65)] },
            "families apart" => east with { RemoteSelectors = ["2001:db8::/32"] },
            "transport subnet" => east with { Mode = IpsecMode.Transport },
            "mode" => east with { Mode = (IpsecMode)7 },
            "start action" => east with { StartAction = (StartAction)7 },
            "IKE suite" => east with { IkeSuites = ["aes129gcm16-sha256-x25519"] },
            "ESP suite" => east with { EspSuites = ["aes128gcm16", "blowfish"] },
            "IKE port 0" => east with { IkePort = 0 },
            "NAT port" => east with { NatTraversalPort = 65536 },
            "equal ports" => east with { NatTraversalPort = 500 },
            "window 0" => east with { WindowSize = 0 },
            "replay 63" => east with { ReplayWindow = 63 },
            "replay 4097" => east with { ReplayWindow = 4097 },
            "child rekey" => east with { ChildRekeyTime = TimeSpan.Zero },
            "child life" => east with { ChildLifeTime = TimeSpan.FromMinutes(30) },
            "life bytes" => east with { ChildRekeyBytes = 20, ChildLifeBytes = 10 },
            "life packets" => east with { ChildLifePackets = 10 },
            "rekey bytes 0" => east with { ChildRekeyBytes = 0 },
            "IKE rekey" => east with { IkeRekeyTime = TimeSpan.FromSeconds(-1) },
            "liveness" => east with { LivenessInterval = TimeSpan.FromDays(2) },
            "retransmit" => east with { RetransmitInitial = TimeSpan.FromMilliseconds(1) },
            "factor" => east with { RetransmitFactor = 0.5 },
            "factor NaN" => east with { RetransmitFactor = double.NaN },
            "give up" => east with { RetransmitInitial = TimeSpan.FromSeconds(10), RetransmitGiveUp = TimeSpan.FromSeconds(5) },
            "CPU offline" => east with { PerCpu = new PerCpuOptions { Cpus = [0, 9] } },
            "CPU not the plane's" => east with { PerCpu = new PerCpuOptions { Cpus = [1] } },
            "CPU twice" => east with { PerCpu = new PerCpuOptions { Cpus = [0, 0] } },
            "no CPU" => east with { PerCpu = new PerCpuOptions { Cpus = [] } },
            "idle time" => east with { PerCpu = new PerCpuOptions { IdleTime = TimeSpan.FromSeconds(1) } },
            "no Child SAs" => east with { PerCpu = new PerCpuOptions { MaxChildSas = 0 } },
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such case"),
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_option_is_refused_with_its_field_its_value_and_what_is_allowed(string name, string field, string value, string allowed)
    {
        var error = Assert.Throws<PcpuIpsecException>(() => Case(name).Validate(_online, [0]));

        Assert.Equal(PcpuIpsecError.InvalidOption, error.Error);
        Assert.StartsWith(field + ":", error.Message);
        Assert.Contains(value, error.Message);
        Assert.Contains(allowed, error.Message);
    }

    [Fact]
    public void A_CPU_out_of_range_is_named_with_those_that_are_online()
    {
        TunnelOptions tunnel = TestTunnels.East() with { PerCpu = new PerCpuOptions { Cpus = [9] } };

        var error = Assert.Throws<PcpuIpsecException>(() => tunnel.Validate(_online, _online));

        Assert.Equal("PerCpu.Cpus: CPU 9 is not online; online are 0-1", error.Message);
    }

    [Fact]
    public void What_is_not_said_has_its_documented_default()
    {
        using ValidatedTunnel tunnel = TestTunnels.East().Validate(_online, _online);

        Assert.Equal(IkeIdentity.Parse("10.0.0.1"), tunnel.Connection.LocalId);
        Assert.Equal(IkeIdentity.Parse("10.0.0.2"), tunnel.Connection.RemoteId);
        Assert.Equal(CipherSuite.DefaultIke, tunnel.Connection.IkeSuites);
        Assert.Equal(CipherSuite.DefaultEsp, tunnel.Connection.EspSuites);
        Assert.False(tunnel.Connection.PerCpu);
        Assert.Empty(tunnel.Connection.Cpus);
        Assert.Equal(StartAction.Wait, tunnel.StartAction);
        Assert.Equal(TimeSpan.FromMinutes(66) + TimeSpan.FromSeconds(25), tunnel.Connection.ChildLifetime.HardTime);
        Assert.Empty(tunnel.Warnings);
    }

    [Fact]
    public void Per_CPU_without_a_list_takes_the_planes_CPUs_and_twice_as_many_Child_SAs()
    {
        using ValidatedTunnel tunnel = (TestTunnels.East() with { PerCpu = new PerCpuOptions { OnDemand = true } }).Validate(_online, _online);

        Assert.True(tunnel.Connection.PerCpu);
        Assert.Equal(_online, tunnel.Connection.Cpus);
        Assert.Equal(4, tunnel.Connection.MaxChildSas);
        Assert.True(tunnel.Connection.OnDemand);
        Assert.True(tunnel.Policy.AcquirePerCpu);
    }

    [Fact]
    public void Without_selectors_the_ends_themselves_are_protected()
    {
        using ValidatedTunnel tunnel = (TestTunnels.East() with { LocalSelectors = [], RemoteSelectors = [], Mode = IpsecMode.Transport }).Validate(_online, _online);

        Assert.Equal([TrafficSelector.Parse("10.0.0.1")], tunnel.Policy.LocalSelectors);
        Assert.Equal([TrafficSelector.Parse("10.0.0.2")], tunnel.Connection.RemoteSelectors);
    }

    [Fact]
    public void Selectors_are_taken_as_text_and_as_selectors()
    {
        TrafficSelector selector = TrafficSelector.Parse("2001:db8:1::/64");
        using ValidatedTunnel tunnel = (TestTunnels.East() with { LocalSelectors = ["192.0.1.0/24", selector] }).Validate(_online, _online);

        Assert.Equal([TrafficSelector.Parse("192.0.1.0/24"), selector], tunnel.Connection.LocalSelectors);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Esn_overrides_what_the_suites_say(bool esn)
    {
        using ValidatedTunnel tunnel = (TestTunnels.East() with { EspSuites = ["aes128gcm16-esn-noesn"], Esn = esn }).Validate(_online, _online);

        Transform transform = Assert.Single(Assert.Single(tunnel.Connection.EspSuites).Transforms, t => t.Type == TransformType.ESN);
        Assert.Equal(esn ? ExtendedSequenceNumbers.Yes : ExtendedSequenceNumbers.No, (ExtendedSequenceNumbers)transform.Id);
    }

    [Fact]
    public void ENCR_NULL_is_warned_about()
    {
        using ValidatedTunnel tunnel = (TestTunnels.East() with { EspSuites = ["null-sha256"] }).Validate(_online, _online);

        Assert.Contains("NOT encrypted", Assert.Single(tunnel.Warnings));
    }

    [Fact]
    public void The_key_is_copied_and_never_printed()
    {
        TunnelOptions options = TestTunnels.East();
        using ValidatedTunnel tunnel = options.Validate(_online, _online);
        options.PreSharedKey!.Dispose();

        Assert.True(tunnel.PreSharedKey.Span.SequenceEqual("a key for tests alone"u8));
        Assert.DoesNotContain("a key for tests", options + tunnel.ToString());
    }
}
