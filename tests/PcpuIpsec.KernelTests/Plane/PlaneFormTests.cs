using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Plane;

/// <summary>What ESP can look like on the kernel's plane.</summary>
public enum Form
{
    Transport,
    TransportV6,
    InUdp,
    SourcePortPerSa,
    V6OverV6,
    V4OverV6InUdp,
    WithEsn,
    WithoutAead,
}

/// <summary>Transport mode, ESP in UDP and IPv6: each CPU's traffic by its own SA in all of them.</summary>
public sealed class PlaneFormTests(ITestOutputHelper output)
{
    private static readonly IReadOnlyList<int> _cpus = HostCpus.Online();

    [KernelTheory]
    [InlineData(Form.Transport)]
    [InlineData(Form.TransportV6)]
    [InlineData(Form.InUdp)]
    [InlineData(Form.SourcePortPerSa)]
    [InlineData(Form.V6OverV6)]
    [InlineData(Form.V4OverV6InUdp)]
    [InlineData(Form.WithEsn)]
    [InlineData(Form.WithoutAead)]
    public async Task Each_CPU_sends_by_its_own_SA(Form form)
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        await using GatewayPair pair = await GatewayPair.StartAsync(lab, (o, here, there) => OptionsOf(form, o, here, there));
        await pair.ConnectAsync();
        await pair.PerCpuSasAsync();
        await using var errors = new XfrmErrors(lab.West, lab.East);

        bool transport = form is Form.Transport or Form.TransportV6;
        await using TwoWayFlows flows = TwoWayFlows.Start(
            transport ? lab.West : lab.Sunset, transport ? lab.East : lab.Sunrise, _cpus, 100, ipv6: form is Form.V6OverV6 or Form.TransportV6);
        await Task.Delay(TimeSpan.FromSeconds(1));
        await flows.StopAsync();
        output.WriteLine(flows.ToString());

        flows.AssertNoneLost(errors);
        errors.AssertNone();
        await PlaneTrafficTests.AssertOwnSasAsync(pair.West, lab.West, lab.East, flows.Eastward);
        await PlaneTrafficTests.AssertOwnSasAsync(pair.East, lab.East, lab.West, flows.Westward);
        IReadOnlyList<KernelSa> leaving = [.. (await KernelLab.SasAsync(lab.West)).Where(s => s.Direction == "out")];
        int[] ports = [.. leaving.Select(s => s.UdpSourcePort ?? 0)];
        switch (form)
        {
            case Form.InUdp or Form.V4OverV6InUdp:
                Assert.All(ports, p => Assert.Equal(4500, p));
                break;
            case Form.SourcePortPerSa:
                Assert.All(ports, p => Assert.InRange(p, 49152, 65535));
                Assert.Equal(1 + _cpus.Count, ports.Distinct().Count());
                break;
            default:
                Assert.All(ports, p => Assert.Equal(0, p));
                break;
        }
        Assert.All(leaving, s => Assert.Contains(transport ? "mode transport" : "mode tunnel", s.Text, StringComparison.Ordinal));
    }

    private static TunnelOptions OptionsOf(Form form, TunnelOptions o, LabHost here, LabHost there) => form switch
    {
        Form.Transport => o with { Mode = IpsecMode.Transport, LocalAddress = here.Red.Address, RemoteAddress = there.Red.Address, LocalSelectors = [], RemoteSelectors = [] },
        Form.TransportV6 => o with { Mode = IpsecMode.Transport, LocalAddress = here.Red.Address6, RemoteAddress = there.Red.Address6, LocalSelectors = [], RemoteSelectors = [] },
        Form.InUdp => o with { ForceEncapsulation = true },
        Form.SourcePortPerSa => o with { PerCpu = new PerCpuOptions { SourcePortPerSa = true } },
        Form.V6OverV6 => o with
        {
            LocalAddress = here.Address6,
            RemoteAddress = there.Address6,
            LocalSelectors = [here.Red.Network6.ToString()],
            RemoteSelectors = [there.Red.Network6.ToString()],
        },
        Form.V4OverV6InUdp => o with { LocalAddress = here.Address6, RemoteAddress = there.Address6, ForceEncapsulation = true },
        Form.WithEsn => o with { Esn = true, ReplayWindow = 4096 },
        Form.WithoutAead => o with { EspSuites = ["aes256-sha256"] },
        _ => o,
    };
}
