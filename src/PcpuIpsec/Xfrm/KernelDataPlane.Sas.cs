using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>SPIs, SAs and their counters.</summary>
internal sealed partial class KernelDataPlane
{
    public ValueTask<uint> ReserveSpiAsync(string connection, int? cpu, IPAddress local, IPAddress remote, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CheckCpu(cpu);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return ValueTask.FromResult(_xfrm.AllocateSpi(KernelStates.Larval(Required(connection).Policy, local, remote, _support)));
        }
    }

    public void ReleaseSpi(uint spi, IPAddress local)
    {
        lock (_lock)
        {
            var id = new XfrmStateId(local, spi);
            if (!_disposed && !_sas.ContainsKey(id))
                _xfrm.DeleteState(id);
        }
    }

    public ValueTask InstallAsync(SaInstallation sa, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CheckCpu(sa.Cpu);
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            KernelConnection connection = Required(sa.Connection);
            var id = new XfrmStateId(sa.Destination, sa.Spi);
            if (_sas.ContainsKey(id))
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{sa.Direction} SPI {sa.Spi:x8} is installed already; each is allowed once.");
            bool isFallback = sa is { Direction: SaDirection.Outbound, Cpu: null };
            DateTimeOffset now = _options.Clock.GetUtcNow();
            // Kernels that cannot bind have nothing that a fallback must stand behind.
            DateTimeOffset? addedAt = isFallback && _support.PerCpu ? connection.NextFallbackTime() : null;
            XfrmState state = KernelStates.Of(sa, connection.Policy, _support, addedAt, now);
            bool replaces = sa is { Direction: SaDirection.Outbound, Cpu: { } cpu } && HasOwn(connection, cpu);
            if (sa.Direction == SaDirection.Outbound && !_keys.Add(sa.EncryptionKey.Span))
                throw new PcpuIpsecException(PcpuIpsecError.CryptoFailure, $"Outbound SPI {sa.Spi:x8} of '{sa.Connection}': its key was in use before; it is allowed once, since its nonces would repeat.");
            // A peer that has forgotten it may choose its number again.
            if (connection.Left.RemoveAll(l => l.Id == id) > 0)
                _xfrm.DeleteState(id);
            DeleteRetired(id);
            IDisposable? remembered = null;
            try
            {
                if (sa.Direction == SaDirection.Inbound)
                    InstallInbound(sa, state);
                else if (isFallback && connection.Policy is { PerCpu: true, InterfaceId: 0 } && _support.PerCpu)
                    remembered = InstallFallback(sa, state, connection);
                else
                    _xfrm.AddState(state, sa.Suite, sa.EncryptionKey.Span, sa.IntegrityKey.Span);
            }
            catch (NetlinkException e) when (e.Errno == Libc.EAGAIN)
            {
                // The answer was lost: whether it is there nobody knows, and the caller will forget it.
                _xfrm.DeleteState(id);
                throw;
            }
            // It is in the kernel: from here on nothing fails that would make the caller forget it.
            _sas.Add(id, new InstalledSa(sa.Direction, sa.Connection, state, sa.Suite) { Remembered = remembered });
            KernelPlaneLog.Installed(_options.Logger, sa.Direction, sa.Spi, sa.Connection, sa.Cpu);
            if (isFallback)
                Fit(connection.Policy, sa);
            OrLater(() => FollowAddresses(connection, sa));
            if (sa.Direction == SaDirection.Outbound)
            {
                OrLater(() => ReplaceLeft(connection, sa.Suite));
                OrLater(() => OutboundChanged(connection, sa.Cpu, replaces));
            }
            return ValueTask.CompletedTask;
        }
    }

    /// <summary>
    /// A peer whose NAT gave it another address has its SAs there: the policies ask for SAs between the addresses of the one
    /// installed last, in its direction. Those between the old ones carry nothing any more, also in the peer's eyes.
    /// </summary>
    private void FollowAddresses(KernelConnection connection, SaInstallation sa)
    {
        if (sa.Mode != IpsecMode.Tunnel)
            return;
        List<XfrmPolicy> policies = [.. connection.Policies], moved = [];
        for (int i = 0; i < policies.Count; i++)
        {
            XfrmTemplate template = policies[i].Templates[0];
            if ((policies[i].Direction == XfrmPolicyDirection.Out) != (sa.Direction == SaDirection.Outbound) || (template.Source.Equals(sa.Source) && template.Destination.Equals(sa.Destination)))
                continue;
            policies[i] = policies[i] with { Templates = [template with { Source = sa.Source, Destination = sa.Destination }] };
            moved.Add(policies[i]);
        }
        // First what is to be: should the kernel refuse one, all are written once more.
        connection.Policies = policies;
        foreach (XfrmPolicy policy in moved)
            Write(connection, policy);
    }

    /// <summary>Packets that are too long cost less than no SA at all.</summary>
    private void Fit(TrafficPolicy policy, SaInstallation sa)
    {
        try
        {
            _host.Routes.Fit(policy, sa);
        }
        catch (NetlinkException e)
        {
            KernelPlaneLog.NotFitted(_options.Logger, policy.Connection, e.Message);
        }
    }

    public ValueTask RemoveAsync(string connection, SaDirection direction, uint spi, IPAddress destination, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var id = new XfrmStateId(destination, spi);
            if (_sas.TryGetValue(id, out InstalledSa? sa))
            {
                if (sa.Connection != connection || sa.Direction != direction)
                    return ValueTask.CompletedTask;
                _sas.Remove(id);
                // Without a fallback the flag would have every CPU drop: it goes first.
                if (sa.IsFallback && _connections.TryGetValue(sa.State.RequestId, out KernelConnection? known))
                    OrLater(() => Refresh(known));
                KernelPlaneLog.Removed(_options.Logger, direction, spi, sa.Connection);
                if (direction == SaDirection.Outbound)
                    Retire(sa.State, sa.Suite, sa.Remembered);
                else
                    _xfrm.DeleteState(id);
            }
            else if (_xfrm.FindState(id) is { } left && left.State.RequestId == KernelIds.RequestIdOf(connection))
                _xfrm.DeleteState(id);
            return ValueTask.CompletedTask;
        }
    }

    public ValueTask UpdateRemoteAsync(SaDirection direction, uint spi, IPEndPoint oldRemote, IPEndPoint newRemote, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            InstalledSa sa = _sas.Values.FirstOrDefault(s => s.Direction == direction && s.State.Spi == spi && oldRemote.Address.Equals(direction == SaDirection.Outbound ? s.State.Destination : s.State.Source))
                ?? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{direction} SPI {spi:x8}: allowed are those installed.");
            IPAddress remote = direction == SaDirection.Outbound ? sa.State.Destination : sa.State.Source;
            if (!remote.Equals(newRemote.Address) || sa.State.Encapsulation is not { } old)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{direction} SPI {spi:x8}: the kernel changes the port of ESP in UDP in place, and no address ({remote} to {newRemote.Address}).");
            XfrmEncapsulation encapsulation = direction == SaDirection.Outbound
                ? old with { DestinationPort = (ushort)newRemote.Port }
                // From any port stays from any port.
                : old with { SourcePort = old.SourcePort == 0 ? (ushort)0 : (ushort)newRemote.Port };
            XfrmState state = sa.State with { Encapsulation = encapsulation };
            // The kernel wants a key to read the request, and leaves the one that the state has.
            WithoutKeys(sa.Suite, (encryption, integrity) => _xfrm.UpdateState(UntilUsed(sa, state), sa.Suite, encryption, integrity));
            _sas[state.Id] = sa with { State = state };
            return ValueTask.CompletedTask;
        }
    }

    public IReadOnlyList<SaCounters> ReadSaCounters()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            List<SaCounters> rows = new(_sas.Count);
            if (_sas.Count == 0)
                return rows;
            foreach (XfrmInstalledState state in _xfrm.States())
            {
                if (!_sas.TryGetValue(state.State.Id, out InstalledSa? sa))
                    continue;
                rows.Add(new SaCounters(
                    sa.Direction,
                    sa.Connection,
                    sa.State.Spi,
                    sa.State.Cpu,
                    (long)state.Counters.Packets,
                    (long)state.Counters.Bytes,
                    state.Drops.OutsideWindow + (long)state.Drops.Replayed,
                    state.Drops.IntegrityFailed,
                    OtherDrops: 0,
                    state.LastUsed));
            }
            return rows;
        }
    }

    public IReadOnlyDictionary<string, long> ReadDropCounters()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            IReadOnlyDictionary<string, long> now = _host.Statistics();
            var drops = new SortedDictionary<string, long>(StringComparer.Ordinal);
            foreach ((string name, long value) in now)
                drops[name] = value - _statisticsAtStart.GetValueOrDefault(name);
            drops[LostToAcquires] = CountLost(now);
            return drops;
        }
    }

    /// <summary>
    /// That it is used is told as a soft limit of one packet, which the kernel looks at before it counts, so by the second
    /// authentic packet; none would be reached by a forged one. Until then an inbound SA has that limit and no other, since the
    /// kernel tells of the first one only.
    /// </summary>
    private static XfrmState UntilUsed(InstalledSa sa, XfrmState state) => sa is { Direction: SaDirection.Inbound, UseReported: false } ? UntilUsed(state) : state;

    private static XfrmState UntilUsed(XfrmState state) => state with { Limits = state.Limits with { SoftBytes = null, SoftPackets = 1, SoftTime = null } };

    /// <summary>The peer uses it: from here on the SA has the limits that it is to have.</summary>
    private void InboundCameIntoUse(InstalledSa sa)
    {
        sa.UseReported = true;
        _events.Writer.TryWrite(new InboundUsed(sa.State.Spi));
        if (sa.State.Limits is not { SoftBytes: null, SoftPackets: null, SoftTime: null })
            WithoutKeys(sa.Suite, (encryption, integrity) => _xfrm.UpdateState(sa.State, sa.Suite, encryption, integrity));
    }

    private delegate void WithKeys(ReadOnlySpan<byte> encryption, ReadOnlySpan<byte> integrity);

    /// <summary>Hands out keys that are none, of the suite's lengths.</summary>
    private static void WithoutKeys(ChosenSuite suite, WithKeys action)
    {
        Span<byte> none = stackalloc byte[128];
        none.Clear();
        action(none[..Algorithms.KeyLength(suite.Encryption, suite.KeyBits)], none[..(suite.Encryption.IsAead() ? 0 : Algorithms.KeyLength(suite.Integrity))]);
    }

    /// <summary>
    /// One that CPUs with SAs of their own are not to find first (see <see cref="KernelSockets.Remember"/>). Where nothing is sent
    /// yet the policies drop a moment longer, so that no packet finds it before it is remembered.
    /// </summary>
    private IDisposable? InstallFallback(SaInstallation sa, XfrmState state, KernelConnection connection)
    {
        XfrmPolicy[] waiting = connection.Left.Exists(connection.IsOutbound) || _sas.Values.Any(s => s.Direction == SaDirection.Outbound && s.State.RequestId == connection.RequestId)
            ? []
            : [.. connection.Policies.Where(p => p.Direction == XfrmPolicyDirection.Out)];
        try
        {
            foreach (XfrmPolicy policy in waiting)
                _xfrm.UpdatePolicy(policy with { Action = XfrmPolicyAction.Block });
            _xfrm.AddState(state, sa.Suite, sa.EncryptionKey.Span, sa.IntegrityKey.Span);
            return Remember(state, sa.Connection);
        }
        finally
        {
            OrLater(() =>
            {
                foreach (XfrmPolicy policy in waiting)
                    Write(connection, policy);
            });
        }
    }

    private IDisposable? Remember(XfrmState fallback, string connection)
    {
        try
        {
            return _host.Remember(fallback);
        }
        catch (Exception e) when (e is SocketException or PcpuIpsecException)
        {
            KernelPlaneLog.NotRemembered(_options.Logger, fallback.Spi, connection, e.Message);
            return null;
        }
    }

    private void InstallInbound(SaInstallation sa, XfrmState state)
    {
        state = UntilUsed(state);
        try
        {
            _xfrm.UpdateState(state, sa.Suite, sa.EncryptionKey.Span, sa.IntegrityKey.Span);
        }
        catch (NetlinkException e) when (e.Errno == Libc.ESRCH)
        {
            // The reservation has ended (net.core.xfrm_acq_expires) while the peer was waited for; the SPI is as good as before.
            _xfrm.AddState(state, sa.Suite, sa.EncryptionKey.Span, sa.IntegrityKey.Span);
        }
    }

    private void CheckCpu(int? cpu)
    {
        if (cpu is not { } number)
            return;
        if (!_support.PerCpu)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Cpu = {number}: this kernel binds no SA to a CPU; Linux 6.13 and later do.");
        // Kernels before 6.13 answer success, and later ones odd errnos.
        if (!_options.Cpus.Contains(number))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Cpu = {number}: allowed are the plane's, {CpuList.Format(_options.Cpus)}.");
    }
}
