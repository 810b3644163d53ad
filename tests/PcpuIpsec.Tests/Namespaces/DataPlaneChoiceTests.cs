using PcpuIpsec.Gateway;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Which data plane a gateway takes that is asked for none.</summary>
[Collection("namespaces")]
public sealed class DataPlaneChoiceTests
{
    [NamespaceFact]
    public async Task The_kernel_s_is_taken_where_it_can_be_had_and_the_embedded_one_with_the_reason_where_not()
    {
        using var ns = new TemporaryNamespace();
        bool kernelCan = await CanAsync(new GatewayOptions { DataPlane = DataPlaneKind.Kernel, NetworkNamespace = ns.Namespace.Path });

        GatewayStatus status = await StatusAsync(new GatewayOptions { NetworkNamespace = ns.Namespace.Path });

        Assert.Equal(kernelCan ? "kernel" : "embedded", status.DataPlane);
        Assert.StartsWith(
            kernelCan ? "auto takes the kernel's: it has ESP" : "auto takes the embedded one: The kernel data plane cannot be had: ", status.DataPlaneReason, StringComparison.Ordinal);
    }

    [NamespaceFact]
    public async Task Steering_by_flow_takes_the_embedded_one_and_is_refused_with_the_kernel_s()
    {
        using var ns = new TemporaryNamespace();
        var options = new GatewayOptions { NetworkNamespace = ns.Namespace.Path, SteerByFlow = true };

        GatewayStatus status = await StatusAsync(options);

        Assert.Equal(("embedded", "auto takes the embedded one: the kernel's cannot steer by flow"), (status.DataPlane, status.DataPlaneReason));
        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => StatusAsync(options with { DataPlane = DataPlaneKind.Kernel }));
        Assert.Equal(PcpuIpsecError.InvalidOption, error.Error);
        Assert.StartsWith("SteerByFlow: 'True' is not allowed with the kernel data plane", error.Message, StringComparison.Ordinal);
    }

    private static async Task<bool> CanAsync(GatewayOptions options)
    {
        try
        {
            await StatusAsync(options);
            return true;
        }
        catch (PcpuIpsecException e) when (e.Error == PcpuIpsecError.HostUnable)
        {
            return false;
        }
    }

    private static async Task<GatewayStatus> StatusAsync(GatewayOptions options)
    {
        await using IpsecGateway gateway = await IpsecGateway.StartAsync(options);
        return await gateway.GetStatusAsync();
    }
}
