using System.Text;
using System.Text.Json;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Control;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Host;

public class ControlChannelTests
{
    [Theory]
    [InlineData("", "Standard input ended before the configuration")]
    [InlineData("{]\n", "The configuration is not valid")]
    [InlineData("""{"tunnels":[{"name":"t","localAddress":"x","remoteAddress":"10.0.0.2","preSharedKey":"hush-hush-hush"}]}""", "LocalAddress = 'x'")]
    public async Task A_gateway_that_cannot_start_says_why_and_ends_with_1(string input, string expected)
    {
        using var output = new MemoryStream();

        int exitCode = await new ControlChannel(new MemoryStream(Encoding.UTF8.GetBytes(input)), output).RunAsync(null, CancellationToken.None);

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

        Assert.Equal(0, await new ControlChannel(new MemoryStream(), new MemoryStream()).RunAsync(null, stopping.Token));
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
}
