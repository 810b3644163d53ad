using PcpuIpsec.Host;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Lab;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>The lab's traffic over the lab's network, without IPsec.</summary>
[Collection("namespaces")]
public sealed class TrafficTests
{
    [Theory]
    [InlineData(TrafficProtocol.Tcp)]
    [InlineData(TrafficProtocol.Udp)]
    public async Task Each_flow_runs_on_its_cpu_and_is_measured(object protocol)
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        network.AllowPlaintext();
        IReadOnlyList<int> cpus = [.. HostCpus.Allowed().Take(2)];

        Repetition measured = await new TrafficRun(network.Sunset, network.Sunrise, (TrafficProtocol)protocol, 1).MeasureAsync(cpus, null, false, CancellationToken.None);

        Assert.Equal(cpus, measured.Flows.Select(f => f.Cpu));
        Assert.All(measured.Flows, f =>
        {
            Assert.Equal(network.Sunset.Address.ToString(), f.Report.Source);
            Assert.Equal(network.Sunrise.Address.ToString(), f.Report.Destination);
            Assert.InRange(f.Report.Seconds, 0.5, 3);
            Assert.True(f.Report.Bytes > 100_000, $"Only {f.Report.Bytes} bytes arrived.");
            Assert.Null(f.OwnSaShare);
        });
        Assert.Null(measured.ChildSas);
        Assert.True(measured.CpuTimes.Sum(c => c.User + c.System + c.SoftIrq) > 0);
    }

    [Fact]
    public async Task A_path_that_carries_nothing_is_reported_with_iperf3s_reason()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);

        var e = await Assert.ThrowsAsync<PcpuIpsecException>(
            () => new TrafficRun(network.Sunset, network.Sunrise, TrafficProtocol.Tcp, 1).MeasureAsync([0], null, false, CancellationToken.None));

        Assert.Contains("sunset to sunrise: The iperf3 client failed", e.Message);
    }

    [Fact]
    public async Task A_flood_counts_what_was_lost_from_a_moment_on()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        await using PingFlood flood = PingFlood.Start(network.Sunset, network.Sunrise.Address, [HostCpus.Allowed()[0]], TimeSpan.FromMilliseconds(5));
        await Task.Delay(300);
        network.AllowPlaintext();
        // When a lost ping was sent is known to a few intervals only, on a busy machine to more.
        await Task.Delay(250);
        DateTimeOffset open = DateTimeOffset.UtcNow;
        for (int i = 0; i < 500 && !flood.AllAnswered; i++)
            await Task.Delay(10);
        await Task.Delay(500);

        PingLoss loss = await flood.StopAsync(open);

        Assert.Equal(0, loss.Lost);
        Assert.True(loss.Sent > 20, $"Only {loss.Sent} pings were sent.");
        Assert.True(loss.SentBefore > 5, $"Only {loss.SentBefore} pings were sent before.");
    }

    [Fact]
    public async Task A_flood_sees_an_outage()
    {
        await using LabNetwork network = await LabNetwork.CreateAsync(new LabOptions(), CancellationToken.None);
        network.AllowPlaintext();
        DateTimeOffset began = DateTimeOffset.UtcNow;
        await using PingFlood flood = PingFlood.Start(network.Sunset, network.Sunrise.Address, [HostCpus.Allowed()[0]], TimeSpan.FromMilliseconds(5));
        for (int i = 0; i < 500 && !flood.AllAnswered; i++)
            await Task.Delay(10);
        network.ForbidPlaintext();
        await Task.Delay(200);
        network.AllowPlaintext();
        await Task.Delay(500);

        PingLoss loss = await flood.StopAsync(began);

        Assert.InRange(loss.Lost, 5, 200);
    }
}
