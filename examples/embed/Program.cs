// A gateway in a program of one's own: one tunnel, one Child SA per CPU, its events, and who carried what.
// Usage (as root): embed LOCAL REMOTE LOCAL-SUBNET REMOTE-SUBNET KEY-FILE [wait]
using System.Net;
using PcpuIpsec;
using PcpuIpsec.Gateway;

if (args is not [string local, string remote, string localSubnet, string remoteSubnet, string keyFile, .. ([] or ["wait"])])
{
    Console.Error.WriteLine("usage: embed LOCAL REMOTE LOCAL-SUBNET REMOTE-SUBNET KEY-FILE [wait]");
    return 2;
}
using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, e) => { e.Cancel = true; stop.Cancel(); };
try
{
    var tunnel = new TunnelOptions
    {
        Name = "embedded",
        LocalAddress = IPAddress.Parse(local),
        RemoteAddress = IPAddress.Parse(remote),
        LocalSelectors = [localSubnet],
        RemoteSelectors = [remoteSubnet],
        PreSharedKeyFile = keyFile,
        PerCpu = new PerCpuOptions(),
    };
    await using IpsecGateway gateway = await IpsecGateway.StartAsync(new GatewayOptions { Tunnels = [tunnel] }, stop.Token);
    _ = PrintAsync(gateway.Events);
    if (args.Length == 5)
        await gateway.ConnectAsync(tunnel.Name, stop.Token);
    await gateway.WaitForChildSasAsync(tunnel.Name, stop.Token);
    while (!stop.IsCancellationRequested)
    {
        GatewayStatus status = await gateway.GetStatusAsync(stop.Token);
        foreach (ChildSaStatus child in status.Tunnels[0].ChildSas)
            Console.WriteLine($"{(child.IsFallback ? "fallback" : $"CPU {child.Cpu}"),-8} {child.InboundSpi:x8}/{child.OutboundSpi:x8} in {child.BytesIn,12} B out {child.BytesOut,12} B");
        await Task.Delay(TimeSpan.FromSeconds(5), stop.Token);
    }
    return 0;
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}
catch (Exception e) when (e is PcpuIpsecException or FormatException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}

static async Task PrintAsync(IAsyncEnumerable<GatewayEvent> events)
{
    await foreach (GatewayEvent e in events)
        Console.WriteLine($"{e.Time:HH:mm:ss.fff} {e.Tunnel} {e.Kind}: {e.Message}");
}
