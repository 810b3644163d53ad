using System.Net;
using PcpuIpsec.Ike.Exchanges;

namespace PcpuIpsec.Ike;

/// <summary>
/// Authentic ESP from another place may mean that a NAT gave the peer another mapping (RFC 7296 §2.23), or that the peer sends
/// each SA from a port of its own, or that somebody forwards its packets. So IKE asks: the peer's answer comes from where it
/// is now. Asked at both places, so that the answer does not depend on the mapping that may be gone.
/// </summary>
internal sealed class PeerProbe(IkeSa sa)
{
    private const int MaxRefuted = 256;
    private static readonly TimeSpan _refutedFor = TimeSpan.FromMinutes(5);

    private readonly Dictionary<IPEndPoint, TimeSpan> _refuted = [];
    private IPEndPoint? _next;

    /// <summary>Requests go there too, as long as it is not answered.</summary>
    public IPEndPoint? Asking { get; private set; }

    public void Seen(IPEndPoint remote)
    {
        if (remote.Equals(sa.Remote) || remote.Equals(Asking) || (_refuted.TryGetValue(remote, out TimeSpan until) && sa.Runtime.Now < until))
            return;
        if (Asking is not null)
        {
            _next = remote;
            return;
        }
        sa.Runtime.Count("peer-elsewhere");
        IkeRuntime.Run(Ask(remote));
    }

    private async Step<bool> Ask(IPEndPoint remote)
    {
        Asking = remote;
        await Informational.CheckLiveness(sa);
        Asking = null;
        bool moved = sa.Remote.Equals(remote);
        if (!moved)
        {
            if (_refuted.Count >= MaxRefuted)
                _refuted.Clear();
            _refuted[remote] = sa.Runtime.Now + _refutedFor;
        }
        if (_next is { } next)
        {
            _next = null;
            sa.PeerSeen(next);
        }
        return moved;
    }
}
