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
        string reason = "as asked for";
        if (options.DataPlane != DataPlaneKind.Embedded)
        {
            (KernelDataPlane? kernel, reason) = TryKernel(options, log);
            if (kernel is not null)
                return (kernel, reason);
        }
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

    /// <summary>The kernel's, where it was asked for or is at least as good as the embedded one; else null, and why.</summary>
    private static (KernelDataPlane? Plane, string Reason) TryKernel(GatewayOptions options, ILogger log)
    {
        bool asked = options.DataPlane == DataPlaneKind.Kernel;
        KernelDataPlane plane;
        try
        {
            plane = KernelDataPlane.Create(new KernelPlaneOptions
            {
                // Any CPU may send, also one that this process may not run on.
                Cpus = options.Cpus ?? HostCpus.Online(),
                NetworkNamespace = options.NetworkNamespace,
                Logger = log,
            });
        }
        catch (PcpuIpsecException e) when (!asked && e.Error == PcpuIpsecError.HostUnable)
        {
            return (null, $"auto takes the embedded one: {e.Message}");
        }
        if (plane.Abilities.PerCpuSa)
            return (plane, asked ? "as asked for" : "auto takes the kernel's: it has ESP and binds SAs to CPUs");
        const string Old = "this kernel binds no SAs to CPUs (Linux 6.13 and later do)";
        if (asked)
            return (plane, $"as asked for; {Old}, so each tunnel has one Child SA");
        plane.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return (null, $"auto takes the embedded one: {Old}");
    }
}
