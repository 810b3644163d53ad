using PcpuIpsec.Ethtool;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Steering;

/// <summary>What an interface is looked at and changed with, in the network namespace of the thread that opened it.</summary>
/// <param name="Routes">rtnetlink.</param>
/// <param name="Ethtool">Null where the kernel has no ethtool netlink.</param>
internal sealed record XdpSockets(RouteSocket Routes, EthtoolSocket? Ethtool) : IDisposable
{
    public static XdpSockets Open()
    {
        RouteSocket routes = RouteSocket.Open();
        try
        {
            return new XdpSockets(routes, EthtoolSocket.TryOpen());
        }
        catch
        {
            routes.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Routes.Dispose();
        Ethtool?.Dispose();
    }
}
