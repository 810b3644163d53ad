using System.Net;
using System.Security.Cryptography;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>SPIs, SAs and their lifetimes.</summary>
internal sealed partial class EmbeddedDataPlane
{
    /// <summary>Lifetimes in seconds and the paths' MTUs are looked at that often.</summary>
    private static readonly TimeSpan _housekeepingPeriod = TimeSpan.FromMilliseconds(500);

    /// <summary>The kernel forgets what it learned about a path after ten minutes; until then looking is cheap.</summary>
    private const int PathMtuPeriodMilliseconds = 10_000;

    private readonly List<(long Version, TaskCompletionSource Seen)> _waiting = [];
    private long _pathMtusCheckedAt = Environment.TickCount64;

    public async ValueTask<uint> ReserveSpiAsync(string connection, int? cpu, IPAddress local, IPAddress remote, CancellationToken cancellationToken)
    {
        int? worker = WorkerOf(cpu);
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _spis.Reserve(worker);
        }
        finally
        {
            _control.Release();
        }
    }

    public void ReleaseSpi(uint spi, IPAddress local)
    {
        _control.Wait();
        try
        {
            if (!_tables.HasInbound(spi))
                _spis.Release(spi);
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask InstallAsync(SaInstallation sa, CancellationToken cancellationToken)
    {
        int? worker = WorkerOf(sa.Cpu);
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (sa.Direction == SaDirection.Inbound)
                await InstallInboundAsync(sa).ConfigureAwait(false);
            else
                await InstallOutboundAsync(sa, worker).ConfigureAwait(false);
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask UpdateRemoteAsync(SaDirection direction, uint spi, IPEndPoint oldRemote, IPEndPoint newRemote, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // Inbound SAs are found by their SPI, and where authentic packets come from is seen with each of them.
            if (direction == SaDirection.Inbound || _tables.FindOutbound(spi, oldRemote.Address) is not { } entry)
                return;
            if (newRemote.AddressFamily != entry.Installation.Destination.AddressFamily)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"outbound SPI {Hex(spi)} goes to {entry.Installation.Destination}: {newRemote.Address} is of another family.");
            int? pathMtu = _namespace.Run(() => PlaneSockets.PathMtuTo(entry.Installation.Source, newRemote.Address, _options.FwMark));
            _tables.Replace(entry, entry.To(newRemote, pathMtu ?? entry.PathMtu));
            await PublishAsync().ConfigureAwait(false);
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask RemoveAsync(string connection, SaDirection direction, uint spi, IPAddress destination, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            SaEntry? entry = direction == SaDirection.Inbound ? TakeInbound(spi) : TakeOutbound(connection, spi, destination);
            if (entry is null)
                return;
            await RetireAsync(entry).ConfigureAwait(false);
            PlaneLog.Removed(_options.Logger, direction, Hex(spi), entry.Installation.Connection);
        }
        finally
        {
            _control.Release();
        }
    }

    public IReadOnlyList<SaCounters> ReadSaCounters()
    {
        _control.Wait();
        try
        {
            List<SaCounters> rows = [];
            foreach (InboundEntry e in _tables.Inbound)
            {
                SaInstallation sa = e.Installation;
                rows.Add(new SaCounters(sa.Direction, sa.Connection, sa.Spi, sa.Cpu, e.Sa.Packets, e.Sa.Bytes, e.Sa.ReplayDrops, e.Sa.IntegrityDrops, e.Sa.OtherDrops, e.LastUsed));
            }
            foreach (OutboundEntry e in _tables.Outbound)
            {
                SaInstallation sa = e.Installation;
                rows.Add(new SaCounters(sa.Direction, sa.Connection, sa.Spi, sa.Cpu, e.Sa.Packets, e.Sa.Bytes, 0, 0, e.Sa.Drops, e.LastUsed));
            }
            return rows;
        }
        finally
        {
            _control.Release();
        }
    }

    private async Task InstallInboundAsync(SaInstallation sa)
    {
        if (_tables.HasInbound(sa.Spi))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"inbound SPI {Hex(sa.Spi)} is installed already; each is allowed once.");
        var entry = new InboundEntry(new InboundSa(sa), _spis.WorkerOf(sa.Spi));
        _spis.Take(sa.Spi);
        _tables.Add(entry);
        await PublishAsync().ConfigureAwait(false);
        PlaneLog.Installed(_options.Logger, sa.Direction, Hex(sa.Spi), sa.Connection, sa.Cpu, null);
    }

    private async Task InstallOutboundAsync(SaInstallation sa, int? worker)
    {
        OutboundEntry? same = _tables.FindOutbound(sa.Spi, sa.Connection);
        OutboundEntry entry;
        if (same is not null && SameKeys(same.Sa.Installation, sa))
        {
            // The same SA to another place or CPU. It must not begin its numbers anew, nor be in two workers' hands at a time.
            _tables.Remove(same);
            await PublishAsync().ConfigureAwait(false);
            entry = MoveOutbound(same, sa, worker);
        }
        else
            entry = MakeOutbound(sa, worker, () => NewOutboundSa(sa, worker, firstSequence: 1));

        if (sa.Replaces is { } old && _tables.FindOutbound(old, sa.Connection) is { } replaced)
            replaced.IsReplaced = true;
        _tables.Add(entry);
        await PublishAsync().ConfigureAwait(false);
        PlaneLog.Installed(_options.Logger, sa.Direction, Hex(sa.Spi), sa.Connection, sa.Cpu, entry.PathMtu);
    }

    private OutboundEntry MakeOutbound(SaInstallation sa, int? worker, Func<OutboundSa> make)
    {
        int ownedSocket = -1;
        int[] sockets = _namespace.Run(() => SocketsFor(sa, out ownedSocket));
        OutboundSa outbound;
        try
        {
            outbound = make();
        }
        catch
        {
            if (ownedSocket >= 0)
                Libc.Close(ownedSocket);
            throw;
        }
        int? pathMtu = _namespace.Run(() => PlaneSockets.PathMtuTo(sa.Source, sa.Destination, _options.FwMark));
        // The keys are the SA's copies; the rest is as installed now.
        SaInstallation installed = sa with { EncryptionKey = outbound.Installation.EncryptionKey, IntegrityKey = outbound.Installation.IntegrityKey };
        var entry = new OutboundEntry(outbound, installed, worker, sockets, ownedSocket);
        entry.SetPathMtu(pathMtu ?? DefaultPathMtu);
        return entry;
    }

    private OutboundEntry MoveOutbound(OutboundEntry from, SaInstallation to, int? worker)
    {
        SaInstallation made = from.Sa.Installation;
        bool fits = (from.Worker is null) == (worker is null)
            && (made.Encapsulation is null) == (to.Encapsulation is null)
            && made.Destination.AddressFamily == to.Destination.AddressFamily;
        // Its socket first: the new one may want the same port.
        from.DisposeSocket();
        bool keeps = false;
        try
        {
            OutboundEntry entry = MakeOutbound(to, worker, () => fits ? from.Sa : NewOutboundSa(to, worker, from.Sa.NextSequence));
            keeps = fits;
            return entry;
        }
        finally
        {
            if (!keeps)
                from.Sa.Dispose();
        }
    }

    /// <summary>An SA that one worker alone uses takes no interlocked operation.</summary>
    private OutboundSa NewOutboundSa(SaInstallation sa, int? worker, ulong firstSequence)
        => new(sa, worker is null ? _workers.Length : 1, firstSequence: firstSequence);

    /// <summary>Ethernet's, where there is no route yet.</summary>
    private const int DefaultPathMtu = 1500;

    private int[] SocketsFor(SaInstallation sa, out int ownedSocket)
    {
        ownedSocket = -1;
        if (sa.Encapsulation is not { } encapsulation)
        {
            bool wantsIPv4 = sa.Source.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork;
            return [.. _rawSockets.Select(sockets => sockets.Find(s => s.HasIPv4Header == wantsIPv4) is { Fd: > 0 } found
                ? found.Fd
                : throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Source = {sa.Source}: the host has no IPv{(wantsIPv4 ? 4 : 6)}."))];
        }
        ushort port = encapsulation.SourcePort == 0 ? _options.NatTraversalPort : encapsulation.SourcePort;
        EncapsulationGroup? group = _groups.Find(g => g.Local.Port == port && g.Local.Address.Equals(sa.Source))
            ?? _groups.Find(g => g.Local.Port == port && g.Local.AddressFamily == sa.Source.AddressFamily && (g.Local.Address.Equals(IPAddress.Any) || g.Local.Address.Equals(IPAddress.IPv6Any)));
        if (group is not null)
            return group.Sockets;
        ownedSocket = PlaneSockets.OpenUdpEspSender(new IPEndPoint(sa.Source, port), _options.FwMark);
        int[] all = new int[_workers.Length];
        Array.Fill(all, ownedSocket);
        return all;
    }

    private InboundEntry? TakeInbound(uint spi)
    {
        _spis.Release(spi);
        return _tables.TakeInbound(spi);
    }

    private OutboundEntry? TakeOutbound(string connection, uint spi, IPAddress destination)
    {
        OutboundEntry? entry = _tables.FindOutbound(spi, destination);
        if (entry?.Installation.Connection != connection)
            return null;
        _tables.Remove(entry);
        return entry;
    }

    /// <summary>Takes an SA from the workers and, once none is inside it any more, disposes it.</summary>
    private async Task RetireAsync(SaEntry entry)
    {
        await PublishAsync().ConfigureAwait(false);
        entry.Dispose();
    }

    /// <summary>Has the workers work by the tables as they are now; done when all do.</summary>
    private Task PublishAsync()
    {
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        long version = Publish();
        lock (_waiting)
            _waiting.Add((version, seen));
        OnWorkerProgressed();
        return seen.Task;
    }

    private long Publish()
    {
        WorkerView[] views = _tables.MakeViews(i => _rawSockets[i]);
        for (int i = 0; i < _workers.Length; i++)
            _workers[i].Publish(views[i]);
        return views[0].Version;
    }

    private void OnWorkerProgressed()
    {
        lock (_waiting)
        {
            // Within the lock: of two workers that come at once the second sees what the first has seen.
            long all = long.MaxValue;
            foreach (Worker worker in _workers)
                all = Math.Min(all, worker.SeenVersion);
            for (int i = _waiting.Count - 1; i >= 0; i--)
            {
                if (_waiting[i].Version > all)
                    continue;
                _waiting[i].Seen.TrySetResult();
                _waiting.RemoveAt(i);
            }
        }
    }

    private void CheckSas()
    {
        // Whoever holds the tables is quick; what is missed now is seen half a second later.
        if (!_control.Wait(0))
            return;
        try
        {
            if (_disposed)
                return;
            long now = Environment.TickCount64;
            foreach (InboundEntry entry in _tables.Inbound)
            {
                entry.Sa.Tick(TimeSpan.FromMilliseconds(now - entry.InstalledAt));
                Report(entry, entry.Sa.TakeReachedLimits());
            }
            foreach (OutboundEntry entry in _tables.Outbound)
            {
                entry.Sa.Tick(TimeSpan.FromMilliseconds(now - entry.InstalledAt));
                Report(entry, entry.Sa.TakeReachedLimits());
            }
            if (now - _pathMtusCheckedAt >= PathMtuPeriodMilliseconds)
            {
                _pathMtusCheckedAt = now;
                CheckPathMtus();
            }
        }
        finally
        {
            _control.Release();
        }
    }

    private void CheckPathMtus()
    {
        foreach (IGrouping<(IPAddress Source, IPAddress Destination), OutboundEntry> path in _tables.Outbound.GroupBy(e => (e.Installation.Source, e.Installation.Destination)))
        {
            if (_namespace.Run(() => PlaneSockets.PathMtuTo(path.Key.Source, path.Key.Destination, _options.FwMark)) is not { } mtu)
                continue;
            foreach (OutboundEntry entry in path)
            {
                if (entry.PathMtu != mtu)
                    entry.SetPathMtu(mtu);
            }
        }
    }

    private void Report(SaEntry entry, SaLimits reached)
    {
        SaInstallation sa = entry.Installation;
        if ((reached & SaLimits.Soft) != 0)
            _events.Writer.TryWrite(new SaExpired(sa.Direction, sa.Spi, sa.Destination, Hard: false));
        if ((reached & SaLimits.Hard) != 0)
            _events.Writer.TryWrite(new SaExpired(sa.Direction, sa.Spi, sa.Destination, Hard: true));
    }

    private int? WorkerOf(int? cpu)
    {
        if (cpu is not { } wanted)
            return null;
        for (int i = 0; i < _options.Cpus.Count; i++)
        {
            if (_options.Cpus[i] == wanted)
                return i;
        }
        throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Cpu = {wanted}: allowed are the plane's, {CpuList.Format(_options.Cpus)}.");
    }

    private static bool SameKeys(SaInstallation one, SaInstallation other)
        => CryptographicOperations.FixedTimeEquals(one.EncryptionKey.Span, other.EncryptionKey.Span)
            && CryptographicOperations.FixedTimeEquals(one.IntegrityKey.Span, other.IntegrityKey.Span);

    private static string Hex(uint spi) => $"0x{spi:x8}";
}
