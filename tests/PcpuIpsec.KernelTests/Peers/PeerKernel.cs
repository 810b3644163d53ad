using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Lab;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>The kernel's IPsec of a lab host, by netlink: starting ip takes a second on emulated CPUs.</summary>
internal static class PeerKernel
{
    public static IReadOnlyList<XfrmInstalledState> States(LabHost host)
    {
        using XfrmSocket xfrm = host.Namespace.Run(XfrmSocket.Open);
        return xfrm.States();
    }

    /// <summary>Deletes all states and policies, whosever.</summary>
    public static void Empty(LabHost host)
    {
        using XfrmSocket xfrm = host.Namespace.Run(XfrmSocket.Open);
        xfrm.FlushStates();
        xfrm.FlushPolicies();
    }

    /// <summary>What it holds, for people.</summary>
    public static string Describe(LabHost host)
    {
        IEnumerable<string> errors = XfrmErrors.Read(host).Where(e => e.Value > 0).Select(e => $"{e.Key} {e.Value}");
        IEnumerable<string> states = States(host).Select(s =>
            $"  {s.State.Source} to {s.State.Destination} {s.State.Spi:x8} {s.State.Direction} CPU {s.State.Cpu}{(s.IsLarval ? " larval" : "")}: {s.Counters.Packets} packets, {s.Drops}");
        return string.Join('\n', (IEnumerable<string>)[$"{host.Name}'s kernel: {string.Join(", ", errors)}", .. states]);
    }
}
