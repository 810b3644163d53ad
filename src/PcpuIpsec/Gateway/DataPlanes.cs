using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Host;

namespace PcpuIpsec.Gateway;

/// <summary>Chooses and makes the data plane.</summary>
internal static class DataPlanes
{
    public static async Task<(IDataPlane Plane, string Reason)> CreateAsync(GatewayOptions options, ILogger log, CancellationToken cancellationToken)
    {
        string reason = options.DataPlane switch
        {
            DataPlaneKind.Embedded => "as asked for",
            DataPlaneKind.Auto => "auto takes the embedded one, since the kernel data plane is not part of this version",
            _ => throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "DataPlane: 'Kernel' cannot be had, since the kernel data plane is not part of this version; allowed: Auto, Embedded"),
        };
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
}
