using System.Buffers.Binary;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Xfrm;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>What the data plane's retirement of outbound states stands on, without IKE.</summary>
public sealed class ReplacedStateTests(ITestOutputHelper output)
{
    private const int Replacements = 500;
    private const uint FirstSpi = 0x10000;

    private static readonly ChosenSuite _suite = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, false);

    /// <summary>Deleted at once, in the moment in which there is another one, 2,000 states cost 70 packets.</summary>
    [KernelFact]
    public async Task A_state_that_no_packet_finds_any_more_when_it_is_deleted_costs_none()
    {
        int[] cpus = [0, 1];
        await using KernelLab lab = await KernelLab.CreateAsync();
        await ManualSas.InstallAsync(lab, cpus);
        string batch = Path.Combine(GuestMachine.TestFolder, "inbound.batch");
        await File.WriteAllLinesAsync(batch, Enumerable.Range(0, Replacements).Select(i => ManualSas.State("10.0.0.1", "10.0.0.2", FirstSpi + (uint)i, "in", cpus[i % 2])));
        (await KernelLab.IpAsync(lab.East, "-batch " + batch)).EnsureSuccess();
        using XfrmSocket xfrm = lab.West.Namespace.Run(XfrmSocket.Open);
        XfrmState[] current = [.. xfrm.States().Select(s => s.State).Where(s => s is { Cpu: not null, Direction: XfrmSaDirection.Out }).OrderBy(s => s.Cpu)];
        Assert.True(StateTableRoom.Make(xfrm, new XfrmState { Spi = 0, Source = lab.East.Address, Destination = lab.West.Address, Mode = XfrmMode.Tunnel }, ours: 0, needed: 64));
        await using var errors = new XfrmErrors(lab.West, lab.East);
        var flows = cpus.Select(cpu => UdpFlow.Start(lab.Sunset, lab.Sunrise, cpu, rate: 1200)).ToList();
        await Task.Delay(TimeSpan.FromSeconds(1));

        byte[] key = new byte[20];
        Queue<XfrmStateId> retired = [];
        for (int i = 0; i < Replacements; i++)
        {
            XfrmState old = current[i % 2], next = old with { Spi = FirstSpi + (uint)i };
            BinaryPrimitives.WriteUInt32BigEndian(key.AsSpan(16), next.Spi);
            xfrm.AddState(next, _suite, key, default);
            xfrm.UpdateState(old with { InterfaceId = KernelIds.RetiredInterfaceId }, _suite, key, default);
            retired.Enqueue(old.Id);
            if (retired.Count > 2)
                Assert.True(xfrm.DeleteState(retired.Dequeue()));
            current[i % 2] = next;
            await Task.Delay(15);
        }
        FlowResult[] results = await Task.WhenAll(flows.Select(f => f.StopAsync()));
        foreach (UdpFlow flow in flows)
            await flow.DisposeAsync();
        foreach (FlowResult result in results)
            output.WriteLine(result.ToString());

        Assert.All(results, r => Assert.True(r.Lost.Count == 0 && r.Duplicates == 0, r + "\n" + errors.Timeline()));
        errors.AssertNone();
    }
}
