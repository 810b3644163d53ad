using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using PcpuIpsec.Xfrm;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>Two of our gateways and the packets of four CPUs.</summary>
public sealed class PlaneTrafficTests(ITestOutputHelper output)
{
    private const int Rekeys = 20;

    /// <summary>More than the 1,000 that are to be seen: emulated CPUs get behind while they rekey.</summary>
    private const int PacketsPerSecond = 1400;

    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1.5);

    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelFact]
    public async Task Each_CPU_s_traffic_is_counted_on_its_own_SA_at_both_ends_and_the_fallbacks_stand_still()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab);
        await pair.ConnectAsync();
        await pair.PerCpuSasAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);

        await using TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, _cpus, 100);
        await Task.Delay(TimeSpan.FromSeconds(2));
        await flows.StopAsync();
        output.WriteLine(flows.ToString());

        flows.AssertNoneLost(errors);
        errors.AssertNone();
        await AssertOwnSasAsync(pair.West, lab.West, lab.East, flows.Eastward);
        await AssertOwnSasAsync(pair.East, lab.East, lab.West, flows.Westward);
    }

    /// <summary>Forwarded, as on a gateway, and the host's own, which costs two links less: four emulated CPUs on two real ones are slow.</summary>
    [KernelTheory]
    [InlineData(2, true)]
    [InlineData(4, true)]
    [InlineData(4, false)]
    public async Task No_packet_is_lost_and_no_error_is_counted_from_the_fallback_on_through_twenty_rekeys_under_load(int count, bool forwarded)
    {
        int[] cpus = [.. _cpus.Take(count)];
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { Cpus = cpus } });
        await pair.ConnectAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);
        using XfrmSocket xfrm = lab.West.Namespace.Run(XfrmSocket.Open);
        uint buckets = xfrm.StateTable().Buckets;
        (LabHost from, LabHost to) = forwarded ? (lab.Sunset, lab.Sunrise) : (lab.West, lab.East);
        var flows = cpus.Select(cpu => UdpFlow.Start(from, to, cpu, PacketsPerSecond, length: 64)).ToList();
        await pair.PerCpuSasAsync();

        for (int i = 0; i < Rekeys; i++)
        {
            await Task.Delay(_pause);
            IpsecGateway gateway = i % 2 == 0 ? pair.West : pair.East;
            switch (i / 2 % 5)
            {
                case 0:
                    await gateway.RekeyIkeSaAsync(GatewayPair.Tunnel);
                    break;
                case 1:
                    await gateway.RekeyChildSaAsync(GatewayPair.Tunnel, (await GatewayPair.FallbackAsync(gateway)).Number);
                    break;
                default:
                    ChildSaStatus old = await GatewayPair.OfCpuAsync(gateway, cpus[i % count]);
                    await gateway.RekeyChildSaAsync(GatewayPair.Tunnel, old.Number);
                    Assert.NotEqual(old.OutboundSpi, (await GatewayPair.OfCpuAsync(gateway, old.Cpu!.Value)).OutboundSpi);
                    break;
            }
        }
        FlowResult[] results = await Task.WhenAll(flows.Select(f => f.StopAsync()));
        foreach (UdpFlow flow in flows)
            await flow.DisposeAsync();
        foreach (FlowResult result in results)
            output.WriteLine(result.ToString());
        await File.WriteAllLinesAsync(Path.Combine(GuestMachine.ResultsFolder, $"rekeys-under-load-{count}-{(forwarded ? "forwarded" : "own")}.txt"), results.Select((r, i) => $"CPU {i}, {PacketsPerSecond}/s asked for, {Rekeys} rekeys: {r}"));

        Assert.All(results, r => Assert.True(r.Lost.Count == 0 && r.Duplicates == 0, r + "\n" + errors.Timeline()));
        errors.AssertNone();
        // The kernel drops what it looks up while it doubles its table.
        Assert.Equal(buckets, xfrm.StateTable().Buckets);
        // What was replaced is gone, after the moment in which what is under way to it still arrives.
        await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Count is var sas && sas == 2 * (1 + count) ? null : $"there are {sas} SAs");
    }

    [KernelFact]
    public async Task A_Child_SA_that_moves_to_another_CPU_is_rekeyed_there_and_no_packet_is_lost()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        // On demand a CPU that has lost its own gets none of its own accord.
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { OnDemand = true } });
        await pair.ConnectAsync();
        await using (UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 1, rate: 50))
            await PlaneWait.UntilAsync(async () => (await GatewayPair.StatusAsync(pair.West)).ChildSas.Any(c => c.Cpu == 1 && c.OutboundInstalled) ? null : "CPU 1 has no SA of its own");
        ChildSaStatus before = await GatewayPair.OfCpuAsync(pair.West, 1);

        await pair.West.MoveChildSaAsync(GatewayPair.Tunnel, before.Number, 3);

        ChildSaStatus moved = await GatewayPair.OfCpuAsync(pair.West, 3);
        Assert.Equal(before.Number, moved.Number);
        Assert.NotEqual(before.OutboundSpi, moved.OutboundSpi);
        // What the peer sends by it is to come to that CPU too.
        Assert.Equal(3, Assert.Single(await KernelLab.SasAsync(lab.West), s => s.Spi == moved.InboundSpi).Cpu);
        await using var errors = new XfrmErrors(lab.West, lab.East);
        await using UdpFlow flow = UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 3, rate: 100);
        await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Any(s => s.Spi == moved.OutboundSpi && s.Cpu == 3 && s.Packets > 20) ? null : "CPU 3 does not send by the SA that moved there");
        FlowResult result = await flow.StopAsync();
        Assert.True(result.Lost.Count == 0, result.ToString());
        errors.AssertNone();
    }

    [KernelFact]
    public async Task Idle_per_CPU_SAs_go_and_come_back_once_the_fallback_carries_traffic()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { IdleTime = TimeSpan.FromSeconds(5) } });
        await pair.ConnectAsync();
        await pair.PerCpuSasAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);

        await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Count(s => s.Cpu is not null) is > 0 and var left ? $"{left} SAs of CPUs are left" : null);
        await using UdpFlow flow = UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu: 2, rate: 100);
        await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Any(s => s is { Cpu: 2, Direction: "out", Packets: > 20 }) ? null : "CPU 2 does not send by an SA of its own");

        FlowResult result = await flow.StopAsync();
        Assert.True(result.Lost.Count == 0, result.ToString());
        errors.AssertNone();
    }

    [KernelFact]
    public async Task A_CPU_that_has_no_SA_of_its_own_leaves_the_others_on_theirs_after_a_rekey_too()
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, _, _) => o with { PerCpu = new PerCpuOptions { Cpus = [0, 1] } });
        await pair.ConnectAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);
        // The fallback serves all while the others come, and CPU 3 for good.
        await using TwoWayFlows flows = TwoWayFlows.Start(lab.Sunset, lab.Sunrise, _cpus, 100);
        await pair.PerCpuSasAsync();
        foreach (IpsecGateway gateway in (IpsecGateway[])[pair.West, pair.East])
        {
            ChildSaStatus old = await GatewayPair.OfCpuAsync(gateway, 0);
            await flows.ArriveAsync(200);
            await gateway.RekeyChildSaAsync(GatewayPair.Tunnel, old.Number);
            await gateway.RekeyChildSaAsync(GatewayPair.Tunnel, (await GatewayPair.FallbackAsync(gateway)).Number);
            await flows.ArriveAsync(200);
        }
        // What is replaced goes with the peer's Delete.
        await PlaneWait.UntilAsync(async () => (await KernelLab.SasAsync(lab.West)).Count is var count && count == 2 * 3 ? null : $"there are {count} SAs");

        IReadOnlyList<KernelSa> before = await KernelLab.SasAsync(lab.West);
        await flows.ArriveAsync(400);
        IReadOnlyList<KernelSa> after = await KernelLab.SasAsync(lab.West);
        await flows.StopAsync();
        output.WriteLine(flows.ToString());

        long Sent(int? cpu) => after.Where(s => s.Cpu == cpu && s.Direction == "out").Sum(s => s.Packets) - before.Where(s => s.Cpu == cpu && s.Direction == "out").Sum(s => s.Packets);
        output.WriteLine($"CPU 0 sent {Sent(0)}, CPU 1 {Sent(1)}, the fallback {Sent(null)}");
        // Two CPUs of four have the fallback.
        Assert.InRange(Sent(0), 30, long.MaxValue);
        Assert.InRange(Sent(1), 30, long.MaxValue);
        Assert.InRange(Sent(null), 60, (Sent(0) + Sent(1)) * 2);
        flows.AssertNoneLost(errors);
        errors.AssertNone();
    }

    /// <summary>What a gateway sent by each CPU is counted on that CPU's SA there, on the same SA at the other end, and on no fallback.</summary>
    internal static async Task AssertOwnSasAsync(IpsecGateway from, LabHost sender, LabHost receiver, IReadOnlyList<FlowResult> sent)
    {
        IReadOnlyList<KernelSa> leaving = await KernelLab.SasAsync(sender), arriving = await KernelLab.SasAsync(receiver);
        uint fallback = (await GatewayPair.FallbackAsync(from)).OutboundSpi;
        Assert.Equal((0, null), Of(leaving, fallback, "out"));
        Assert.Equal((0, null), Of(arriving, fallback, "in"));
        foreach (int cpu in _cpus)
        {
            uint spi = (await GatewayPair.OfCpuAsync(from, cpu)).OutboundSpi;
            Assert.Equal((sent[cpu].Sent, cpu), Of(leaving, spi, "out"));
            Assert.Equal(sent[cpu].Sent, Of(arriving, spi, "in").Packets);
        }

        static (long Packets, int? Cpu) Of(IReadOnlyList<KernelSa> sas, uint spi, string direction)
        {
            KernelSa sa = Assert.Single(sas, s => s.Spi == spi && s.Direction == direction);
            return (sa.Packets, sa.Cpu);
        }
    }
}
