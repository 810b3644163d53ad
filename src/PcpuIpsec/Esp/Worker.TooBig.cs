using System.Net;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>Packets that are too long once protected: rare, so that copying is no matter here.</summary>
internal sealed unsafe partial class Worker
{
    /// <summary>Packets of the send queue that the path turned out not to take.</summary>
    private readonly List<int> _tooBig = new(SendQueue.Capacity);
    private bool _fragmenting;
    private readonly byte[] _icmp = GC.AllocateUninitializedArray<byte>(PathMtu.MaximumMessage, pinned: true);
    private readonly byte[] _fragment = GC.AllocateUninitializedArray<byte>(SendQueue.BufferLength, pinned: true);

    private readonly FragmentAssembler _assembler = new();

    private bool TryAssemble(scoped ReadOnlySpan<byte> fragment, scoped in FlowKey key, out Span<byte> whole)
    {
        bool done = _assembler.TryAdd(fragment, key, out whole);
        _drops[DropCounters.IndexOf(PlaneDrop.EspOutFragmentLost)] = _assembler.Lost;
        return done;
    }

    private void FragmentInner(OutboundEntry entry, ReadOnlySpan<byte> inner)
    {
        byte[] whole = inner.ToArray();
        var fragments = new IPv4Fragmenter(whole, entry.MaximumInner);
        while (fragments.TryNext(_fragment, out int length))
        {
            ReadOnlySpan<byte> fragment = _fragment.AsSpan(0, length);
            if (FlowKey.TryRead(fragment, out FlowKey key))
                Queue(entry, key, fragment);
        }
    }

    /// <summary>RFC 4301 §8.2.1: the sender hears what fits, from an address of this host's.</summary>
    private void TellTooBig(OutboundEntry entry, PolicyEntry policy, ReadOnlySpan<byte> inner)
    {
        Count(PlaneDrop.EspOutTooBigTold);
        bool isIPv6 = inner[0] >> 4 == 6;
        int socket = isIPv6 ? _options.RawIPv6 : _options.RawIPv4;
        if (socket < 0 || policy.IcmpSource(isIPv6) is not { } source || !_icmpBudget.TryTake(_now))
            return;
        if (!PathMtu.TryBuildTooBig(inner, source, entry.MaximumInner, _icmp, out int length))
            return;
        // The message goes to the packet's source, which stands in its header again.
        IPAddress target = isIPv6 ? new(_icmp.AsSpan(24, 16)) : new(_icmp.AsSpan(16, 4));
        var address = InetSocketAddress.Of(target, 0);
        byte* name = stackalloc byte[InetSocketAddress.MaximumLength];
        address.CopyTo(name);
        fixed (byte* message = _icmp)
            Libc.SendTo(socket, message, (nuint)length, Libc.MSG_DONTWAIT, name, (uint)address.Length);
    }

    /// <summary>Sends one packet whose outer one the kernel may fragment, through a socket that else forbids it.</summary>
    private void SendFragmented(OutboundEntry entry, in FlowKey key, ReadOnlySpan<byte> inner)
    {
        byte[] whole = inner.ToArray();
        Flush();
        int socket = entry.Socket(_options.Index);
        PlaneSockets.AllowFragments(socket, entry.IsIPv6, allow: true);
        _fragmenting = true;
        Queue(entry, key, whole);
        Flush();
        _fragmenting = false;
        PlaneSockets.AllowFragments(socket, entry.IsIPv6, allow: false);
    }

    /// <summary>
    /// The path takes less than it did (EMSGSIZE): asks the kernel how much, and handles the packets by that.
    /// Their sequence numbers are lost, which the peer's window takes as loss.
    /// </summary>
    private void RequeueSmaller()
    {
        var again = new List<(OutboundEntry Entry, int PathMtu, byte[] Inner)>(_tooBig.Count);
        foreach (int index in _tooBig)
            again.Add((_send.Entry(index), _send.Entry(index).PathMtu, _send.InnerPacket(index).ToArray()));
        _tooBig.Clear();
        _send.Clear();
        foreach ((OutboundEntry entry, int pathMtu, byte[] inner) in again)
        {
            int found = FlowKey.TryRead(inner, out FlowKey key) ? _view.Find(key) : -1;
            if (found >= 0 && (entry.PathMtu < pathMtu || TryLowerPathMtu(entry)))
                Protect(entry, _view.Routes[found].Policy, key, inner);
            else
                Count(PlaneDrop.EspOutSocketError);
        }
    }

    private bool TryLowerPathMtu(OutboundEntry entry)
    {
        int before = entry.PathMtu;
        int? mtu = PlaneSockets.PathMtuTo(entry.Installation.Source, entry.Installation.Destination, _options.Mark);
        // Where the kernel names nothing smaller, a step down is a guess that comes to an end.
        int lower = mtu < before ? mtu.Value : before - 64;
        if (lower < PathMtu.MinimumIPv4)
            return false;
        entry.SetPathMtu(lower);
        return true;
    }
}
