using System.Globalization;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>SAs and policies between the lab's gateways, made by <c>ip xfrm</c> with fixed keys, and routes for them.</summary>
internal static class ManualSas
{
    private const uint FirstSpi = 0x1000, SpisPerDirection = 0x1000;

    /// <summary>A fallback and a pair for each CPU, at both gateways, and the policies that use them.</summary>
    public static async Task InstallAsync(KernelLab lab, IReadOnlyList<int> cpus)
    {
        lab.Network.AllowPlaintext();
        foreach (LabHost host in (LabHost[])[lab.West, lab.East])
        {
            var batch = new List<string>();
            foreach ((LabHost from, LabHost to, uint spi) in new[] { (lab.West, lab.East, FirstSpi), (lab.East, lab.West, FirstSpi + SpisPerDirection) })
            {
                string direction = from == host ? "out" : "in";
                batch.Add(State(from.Address.ToString(), to.Address.ToString(), spi, direction, null));
                batch.AddRange(cpus.Select(cpu => State(from.Address.ToString(), to.Address.ToString(), spi + 1 + (uint)cpu, direction, cpu)));
                foreach (string policy in direction == "out" ? (string[])["out"] : ["in", "fwd"])
                    batch.Add($"xfrm policy add src {from.Red.Network} dst {to.Red.Network} dir {policy} tmpl src {from.Address} dst {to.Address} proto esp reqid 1 mode tunnel");
            }
            string file = Path.Combine(GuestMachine.TestFolder, host.Name + ".batch");
            await File.WriteAllLinesAsync(file, batch);
            (await KernelLab.IpAsync(host, "-batch " + file)).EnsureSuccess();
        }
    }

    /// <summary>The words after <c>ip</c> that add an SA. Its key is its SPI's: no two SAs share one.</summary>
    public static string State(string source, string destination, uint spi, string direction, int? cpu) => string.Create(CultureInfo.InvariantCulture,
        $"xfrm state add src {source} dst {destination} proto esp spi 0x{spi:x} reqid 1 mode tunnel aead rfc4106(gcm(aes)) 0x{spi:x40} 128 replay-window {(direction == "out" ? 0 : 32)} flag af-unspec dir {direction}{(cpu is null ? "" : $" pcpu-num {cpu}")}");
}
