using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Host;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Gateway;

/// <summary>Chooses and makes the data plane.</summary>
internal static class DataPlanes
{
    public static async Task<(IDataPlane Plane, string Reason)> CreateAsync(GatewayOptions options, ILogger log, CancellationToken cancellationToken)
    {
        if (options.DataPlane == DataPlaneKind.Kernel)
            return Kernel(options, log);
        string reason = options.DataPlane == DataPlaneKind.Embedded
            ? "as asked for"
            : "auto takes the embedded one; the kernel's is taken where it is asked for";
        var embedded = new EmbeddedOptions
        {
            Cpus = options.Cpus ?? HostCpus.Allowed(),
            InterfaceName = options.InterfaceName,
            SteerByFlow = options.SteerByFlow,
            Mtu = options.Mtu,
            NetworkNamespace = options.NetworkNamespace,
            Logger = log,
        };
        return (await EmbeddedDataPlane.CreateAsync(embedded, cancellationToken), reason);
    }

    private static (IDataPlane Plane, string Reason) Kernel(GatewayOptions options, ILogger log)
    {
        KernelDataPlane plane = KernelDataPlane.Create(new KernelPlaneOptions
        {
            // Any CPU may send, also one that this process may not run on.
            Cpus = options.Cpus ?? HostCpus.Online(),
            NetworkNamespace = options.NetworkNamespace,
            Logger = log,
        });
        return (plane, plane.Abilities.PerCpuSa
            ? "as asked for"
            : "as asked for; this kernel binds no SAs to CPUs (Linux 6.13 and later do), so each tunnel has one Child SA");
    }
}
