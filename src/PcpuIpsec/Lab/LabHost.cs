using System.Net;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Lab;

/// <summary>An interface of a lab host.</summary>
/// <param name="Name"><c>red</c> on the side of the protected network, <c>black</c> between the gateways.</param>
/// <param name="Address">Its IPv4 address, in a /24.</param>
/// <param name="Address6">Its IPv6 address, in a /64.</param>
internal sealed record LabInterface(string Name, IPAddress Address, IPAddress Address6)
{
    public const int PrefixLength = 24, PrefixLength6 = 64;

    public IPNetwork Network => NetworkOf(Address, PrefixLength);

    public IPNetwork Network6 => NetworkOf(Address6, PrefixLength6);

    private static IPNetwork NetworkOf(IPAddress address, int prefixLength)
    {
        byte[] bytes = address.GetAddressBytes();
        Array.Clear(bytes, prefixLength / 8, bytes.Length - (prefixLength / 8));
        return new IPNetwork(new IPAddress(bytes), prefixLength);
    }
}

/// <summary>One host of the lab: a network namespace with its interfaces.</summary>
internal sealed class LabHost
{
    internal LabHost(string name, NetworkNamespace ns, LabInterface red, LabInterface? black)
    {
        Name = name;
        Namespace = ns;
        Red = red;
        Black = black;
    }

    /// <summary>sunset, west, east or sunrise.</summary>
    public string Name { get; }

    public NetworkNamespace Namespace { get; }

    public string NamespaceName => Namespace.Name;

    /// <summary>The interface towards the protected network.</summary>
    public LabInterface Red { get; }

    /// <summary>The interface between the gateways; null at sunset and sunrise.</summary>
    public LabInterface? Black { get; }

    /// <summary>The address that others reach it by: black at the gateways, red at the others.</summary>
    public IPAddress Address => (Black ?? Red).Address;

    /// <inheritdoc cref="Address"/>
    public IPAddress Address6 => (Black ?? Red).Address6;

    /// <summary>Starts a program inside.</summary>
    public LabProcess Start(LabCommand command) => LabProcess.Start(Namespace.Path, command);

    /// <summary>Runs a program inside to its end; cancelling kills it.</summary>
    public async Task<CommandResult> RunAsync(LabCommand command, CancellationToken cancellationToken)
    {
        await using LabProcess process = Start(command);
        process.Input.Close();
        return await process.WaitAsync(cancellationToken);
    }

    /// <summary>rtnetlink inside.</summary>
    public RouteSocket OpenRoutes() => Namespace.OpenRoutes();
}
