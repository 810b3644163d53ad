using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Control;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Host;

public class ControlChannelTests
{
    [Theory]
    [InlineData("", "Standard input ended before the configuration")]
    [InlineData("{]\n", "The configuration has no valid JSON")]
    [InlineData("""{"tunnels":[{"name":"t","localAddress":"x","remoteAddress":"10.0.0.2","preSharedKey":"hush-hush-hush"}]}""", "LocalAddress = 'x'")]
    public async Task A_gateway_that_cannot_start_says_why_and_ends_with_1(string input, string expected)
    {
        using var output = new MemoryStream();

        int exitCode = await new ControlChannel(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, NullLoggerFactory.Instance).RunAsync(null, CancellationToken.None);

        string said = Encoding.UTF8.GetString(output.ToArray());
        ControlEvent failed = JsonSerializer.Deserialize<ControlEvent>(said, ControlJson.Options)!;
        Assert.Equal(1, exitCode);
        Assert.Equal("failed", failed.Event);
        Assert.Equal(PcpuIpsecError.InvalidOption, failed.Error);
        Assert.Contains(expected, failed.Message);
        Assert.DoesNotContain("hush", said);
    }

    [Fact]
    public async Task Being_told_to_end_before_the_configuration_came_is_no_failure()
    {
        using var stopping = new CancellationTokenSource();
        await stopping.CancelAsync();

        Assert.Equal(0, await new ControlChannel(new MemoryStream(), new MemoryStream(), NullLoggerFactory.Instance).RunAsync(null, stopping.Token));
    }

    [Fact]
    public void Every_event_has_a_name_of_its_own()
    {
        string[] names = [.. Enum.GetValues<GatewayEventKind>().Select(ControlChannel.Name)];

        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.All(names, n => Assert.Matches("^[a-z]+(-[a-z]+)*$", n));
    }

    [Fact]
    public void A_status_survives_the_channel()
    {
        var child = new ChildSaStatus
        {
            Number = 3,
            InboundSpi = 0xc0ffee01,
            OutboundSpi = 0xfeedbeef,
            Cpu = 1,
            IsFallback = false,
            OutboundInstalled = true,
            InitiatedByUs = true,
            Mode = IpsecMode.Tunnel,
            Suite = "aes128gcm16",
            LocalSelectors = [TrafficSelector.Parse("10.1.0.0/24")],
            RemoteSelectors = [TrafficSelector.Parse("2001:db8::/64[tcp/443]")],
            PacketsIn = 1,
            BytesIn = 2,
            PacketsOut = 3,
            BytesOut = long.MaxValue,
            ReplayDrops = 4,
            IntegrityDrops = 5,
            OtherDrops = 6,
            LastUsed = DateTimeOffset.UnixEpoch,
        };
        var sent = new ControlEvent { Event = "child-up", Time = DateTimeOffset.UnixEpoch, Tunnel = "lab", ChildSa = child };

        string line = JsonSerializer.Serialize(sent, ControlJson.Options);
        ControlEvent received = JsonSerializer.Deserialize<ControlEvent>(line, ControlJson.Options)!;

        Assert.DoesNotContain('\n', line);
        Assert.Equal(child.LocalSelectors, received.ChildSa!.LocalSelectors);
        Assert.Equal(child.RemoteSelectors, received.ChildSa.RemoteSelectors);
        Assert.Equal(child, received.ChildSa with { LocalSelectors = child.LocalSelectors, RemoteSelectors = child.RemoteSelectors });
    }

    [Fact]
    public void A_gateway_without_sas_survives_the_channel()
    {
        var status = new GatewayStatus
        {
            DataPlane = "embedded",
            DataPlaneReason = "asked for",
            Cpus = [0, 1],
            Tunnels = [new TunnelStatus { Name = "lab", State = TunnelState.Down, IkeSa = null, ChildSas = [], LastError = null }],
            IkeCounters = new Dictionary<string, long> { ["a"] = 1 },
            DropCounters = new Dictionary<string, long> { ["XfrmInNoStates"] = 2 },
        };

        ChildSaStatus[] none = [];
        string line = JsonSerializer.Serialize(new ControlEvent { Event = "ready", Time = DateTimeOffset.UnixEpoch, Status = status }, ControlJson.Options);
        ControlEvent received = JsonSerializer.Deserialize<ControlEvent>(line, ControlJson.Options)!;

        Assert.Equal(status.Tunnels[0] with { ChildSas = none }, received.Status!.Tunnels[0] with { ChildSas = none });
        Assert.Equal(2, received.Status.DropCounters["XfrmInNoStates"]);
        Assert.DoesNotContain("childSa\":", line);
    }

    [Fact]
    public void An_ike_sa_survives_the_channel()
    {
        var ike = new IkeSaStatus
        {
            InitiatorSpi = ulong.MaxValue,
            ResponderSpi = 0,
            IsInitiator = true,
            Local = new(System.Net.IPAddress.Parse("2001:db8::1"), 4500),
            Remote = null,
            Suite = null,
            PerResource = true,
        };

        Assert.Equal(ike, JsonSerializer.Deserialize<IkeSaStatus>(JsonSerializer.Serialize(ike, ControlJson.Options), ControlJson.Options));
    }
}
