using System.Net;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Gateway;
using PcpuIpsec.Ike;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Gateway;

/// <summary>The options that the kernel data plane alone takes.</summary>
public class TunnelKernelOptionsTests
{
    private static readonly int[] _cpus = [0];
    private static readonly XfrmInterfaceOptions _interface = new() { Name = "ipsec0" };

    public static TheoryData<string, string, string, string> Wrong() => new()
    {
        { "transport", "Mode", "Transport", "XfrmInterface is given" },
        { "no name", "XfrmInterface.Name", "''", "1 to 15" },
        { "long name", "XfrmInterface.Name", "a-name-too-long0", "1 to 15" },
        { "name with a slash", "XfrmInterface.Name", "a/b", "1 to 15" },
        { "id 0", "XfrmInterface.Id", "'0'", "1 to 4294967295" },
        { "MTU", "XfrmInterface.Mtu", "1279", "1280 to 65535" },
        { "route", "XfrmInterface.Routes[1]", "10.2.0.0/33", "10.2.0.0/24" },
        { "many routes", "XfrmInterface.Routes", "257 prefixes", "0 to 256" },
        { "everything both ways", "XfrmInterface.Routes", "null", "[]" },
        { "small MSS", "Mss", "535", "536 to 65495" },
        { "MSS 0", "Mss", "'0'", "536 to 65495" },
        { "MSS -1", "Mss", "-1", "536 to 65495" },
        { "MSS to everything", "Mss", "auto", "XfrmInterface" },
        { "bypass", "Bypass[0].Remote", "nonsense", "" },
        { "bypass of nothing", "Bypass[1]", "LocalSelectors to RemoteSelectors", "Local, Remote or both" },
        { "bypass of another family", "Bypass[0]", "2001:db8::/32", "family" },
        { "bypass by port into an interface", "Bypass[0]", "[tcp/22]", "without protocol and ports" },
        { "bypass by source into an interface", "Bypass[0]", "192.0.1.5 to", "Remote alone" },
        { "many discards", "Discard", "65 entries", "0 to 64" },
        { "both", "Discard[0]", "192.0.3.0/24", "Bypass has not" },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_one_is_refused_with_its_field_its_value_and_what_is_allowed(string name, string field, string value, string allowed)
    {
        var error = Assert.Throws<PcpuIpsecException>(() => Case(name).Validate(_cpus, _cpus));
        Assert.Equal(PcpuIpsecError.InvalidOption, error.Error);
        Assert.StartsWith(field + ":", error.Message);
        Assert.Contains(value, error.Message);
        Assert.Contains(allowed, error.Message);
    }

    [Fact]
    public void An_interfaces_number_follows_from_the_tunnels_name_and_its_routes_from_the_peers_side()
    {
        using ValidatedTunnel tunnel = (TestTunnels.East() with { XfrmInterface = _interface }).Validate(_cpus, _cpus);
        RoutedInterface routed = tunnel.Policy.Interface!;
        Assert.Equal(("ipsec0", KernelIds.RequestIdOf("east"), null), (routed.Name, routed.Id, routed.Mtu));
        Assert.Equal([IPNetwork.Parse("192.0.2.0/24")], routed.Routes);
        Assert.Equal(new SegmentSize(null), tunnel.Policy.Mss);
        using ValidatedTunnel own = (TestTunnels.East() with { XfrmInterface = _interface with { Id = 42, Mtu = 1400, Routes = ["10.2.0.1/24", "fd00::/8"] } }).Validate(_cpus, _cpus);
        Assert.Equal((42u, 1400, "10.2.0.0/24 fd00::/8"), (own.Policy.InterfaceId, own.Policy.Interface!.Mtu!.Value, string.Join(' ', own.Policy.Interface.Routes)));
    }

    [Fact]
    public void Without_an_interface_the_segment_size_is_the_kernels_unless_it_is_asked_for()
    {
        using ValidatedTunnel none = TestTunnels.East().Validate(_cpus, _cpus), auto = (TestTunnels.East() with { Mss = MssClamp.Auto }).Validate(_cpus, _cpus),
            number = (TestTunnels.East() with { Mss = 1300 }).Validate(_cpus, _cpus), off = (TestTunnels.East() with { XfrmInterface = _interface, Mss = MssClamp.Off }).Validate(_cpus, _cpus);
        Assert.Equal([null, new SegmentSize(null), new SegmentSize(1300), null], new[] { none, auto, number, off }.Select(t => t.Policy.Mss));
    }

    [Theory]
    [InlineData("XfrmInterface")]
    [InlineData("Mss")]
    [InlineData("Bypass")]
    [InlineData("Discard")]
    public async Task A_data_plane_that_cannot_refuses_by_the_options_name_and_holds_nothing(string field)
    {
        var plane = new FakeDataPlane();
        await using GatewayHarness harness = await GatewayHarness.StartAsync(plane: plane);
        TunnelOptions other = TestTunnels.OnLoopback("other") with { PreSharedKey = Secret.CopyOf("a key for tests alone"u8) };
        other = field switch
        {
            "XfrmInterface" => other with { XfrmInterface = _interface, Mss = MssClamp.Off },
            "Mss" => other with { Mss = 1300 },
            "Bypass" => other with { Bypass = [To("192.0.2.0/25")] },
            _ => other with { Discard = [To("192.0.2.0/25")] },
        };
        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => harness.Gateway.AddTunnelAsync(other));
        Assert.Equal(PcpuIpsecError.HostUnable, error.Error);
        Assert.StartsWith($"{field}: tunnel 'other' needs a data plane that can ", error.Message);
        Assert.EndsWith("; the fake one cannot", error.Message);
        Assert.DoesNotContain("other", plane.Held.Keys);
    }

    private static TunnelOptions Case(string name)
    {
        TunnelOptions east = TestTunnels.East();
        return name switch
        {
            "transport" => east with { Mode = IpsecMode.Transport, LocalSelectors = [], RemoteSelectors = [], XfrmInterface = _interface },
            "no name" => east with { XfrmInterface = _interface with { Name = "" } },
            "long name" => east with { XfrmInterface = _interface with { Name = "a-name-too-long0" } },
            "name with a slash" => east with { XfrmInterface = _interface with { Name = "a/b" } },
            "id 0" => east with { XfrmInterface = _interface with { Id = 0 } },
            "MTU" => east with { XfrmInterface = _interface with { Mtu = 1279 } },
            "route" => east with { XfrmInterface = _interface with { Routes = ["10.2.0.0/24", "10.2.0.0/33"] } },
            "many routes" => east with { XfrmInterface = _interface with { Routes = [.. Enumerable.Repeat("10.2.0.0/24", 257)] } },
            "everything both ways" => east with { LocalSelectors = ["0.0.0.0/0"], RemoteSelectors = ["0.0.0.0/0"], XfrmInterface = _interface },
            "small MSS" => east with { Mss = 535 },
            "MSS 0" => east with { Mss = 0 },
            "MSS -1" => east with { Mss = -1 },
            "MSS to everything" => east with { RemoteSelectors = ["0.0.0.0/0"], Mss = MssClamp.Auto },
            "bypass" => east with { Bypass = [To("nonsense")] },
            "bypass of nothing" => east with { Bypass = [To("192.0.2.5"), new()] },
            "bypass of another family" => east with { Bypass = [To("2001:db8::/32")] },
            "bypass by port into an interface" => east with { XfrmInterface = _interface, Bypass = [To("192.0.2.5[tcp/22]")] },
            "bypass by source into an interface" => east with { XfrmInterface = _interface, Bypass = [new() { Local = "192.0.1.5" }] },
            "many discards" => east with { Discard = [.. Enumerable.Repeat(To("192.0.3.0/24"), 65)] },
            "both" => east with { Bypass = [To("192.0.3.0/24")], Discard = [To("192.0.3.0/24")] },
            _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such case"),
        };
    }

    private static TrafficPair To(string remote) => new() { Remote = remote };
}
