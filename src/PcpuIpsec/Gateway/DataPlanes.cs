using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp;
using PcpuIpsec.Host;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Gateway;

/// <summary>Chooses and makes the data plane.</summary>
internal static class DataPlanes
{
    private const string AsAskedFor = "as asked for", NoPerCpu = "this kernel binds no SAs to CPUs (Linux 6.13 and later do)";

    /// <summary>Makes the one that was asked for, or with <see cref="DataPlaneKind.Auto"/> the best that the host has.</summary>
    /// <returns>The plane, and why it is that one.</returns>
    public static async Task<(IDataPlane Plane, string Reason)> CreateAsync(GatewayOptions options, ILogger log, CancellationToken cancellationToken)
    {
        switch (options.DataPlane)
        {
            case DataPlaneKind.Kernel:
                if (options.SteerByFlow)
                    throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{options.Words.Name(nameof(options.SteerByFlow))}: '{options.Words.Value(true)}' is not allowed with the kernel data plane, which chooses by the CPU; allowed: {options.Words.Value(false)}, or the embedded one");
                KernelDataPlane kernel = Kernel(options, log);
                return (kernel, kernel.Abilities.PerCpuSa ? AsAskedFor : $"{AsAskedFor}; {NoPerCpu}, so each tunnel has one Child SA");
            case DataPlaneKind.Embedded:
                return (await EmbeddedAsync(options, log, cancellationToken), AsAskedFor);
            default:
                return await AutoAsync(options, log, cancellationToken);
        }
    }

    /// <summary>The kernel's, which is the faster one, where it can do what the tunnels want; else the embedded one.</summary>
    private static async Task<(IDataPlane Plane, string Reason)> AutoAsync(GatewayOptions options, ILogger log, CancellationToken cancellationToken)
    {
        KernelDataPlane? kernel = null;
        string why;
        if (options.SteerByFlow)
        {
            why = "the kernel's cannot steer by flow";
        }
        else
        {
            try
            {
                kernel = Kernel(options, log);
                if (kernel.Abilities.PerCpuSa)
                    return (kernel, "auto takes the kernel's: it has ESP and binds SAs to CPUs");
                if (options.Tunnels.Count > 0 && options.Tunnels.All(t => t.PerCpu is null))
                    return (kernel, "auto takes the kernel's: it has ESP, and no tunnel asks for SAs by CPU");
                if (options.Tunnels.Any(NeedsKernel))
                    return (kernel, $"auto takes the kernel's, since a tunnel asks for what it alone has; {NoPerCpu}, so each tunnel has one Child SA");
                why = NoPerCpu;
            }
            catch (PcpuIpsecException e) when (e.Error == PcpuIpsecError.HostUnable)
            {
                why = e.Message;
            }
        }

        EmbeddedDataPlane embedded;
        try
        {
            embedded = await EmbeddedAsync(options, log, cancellationToken);
        }
        catch (PcpuIpsecException e) when (e.Error == PcpuIpsecError.HostUnable)
        {
            return kernel is null
                ? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{e.Message} Nor the kernel's: {why}", e)
                : (kernel, $"auto takes the kernel's: {e.Message} But {NoPerCpu}, so each tunnel has one Child SA");
        }
        catch
        {
            if (kernel is not null)
                await kernel.DisposeAsync();
            throw;
        }
        if (kernel is not null)
            await kernel.DisposeAsync();
        return (embedded, $"auto takes the embedded one: {why}");
    }

    private static bool NeedsKernel(TunnelOptions tunnel)
        => tunnel is { XfrmInterface: not null } or { Mss: not null } or { Bypass.Count: > 0 } or { Discard.Count: > 0 };

    private static ValueTask<EmbeddedDataPlane> EmbeddedAsync(GatewayOptions options, ILogger log, CancellationToken cancellationToken)
        => EmbeddedDataPlane.CreateAsync(
            new EmbeddedOptions
            {
                Cpus = options.Cpus ?? HostCpus.Allowed(),
                InterfaceName = options.InterfaceName,
                SteerByFlow = options.SteerByFlow,
                Mtu = options.Mtu,
                NetworkNamespace = options.NetworkNamespace,
                Logger = log,
            },
            cancellationToken);

    private static KernelDataPlane Kernel(GatewayOptions options, ILogger log) => KernelDataPlane.Create(new KernelPlaneOptions
    {
        // Any CPU may send, also one that this process may not run on.
        Cpus = options.Cpus ?? HostCpus.Online(),
        NetworkNamespace = options.NetworkNamespace,
        Logger = log,
    });
}
