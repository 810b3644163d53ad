using PcpuIpsec.DataPlane;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>Policies: there before the first SA, and gone only once everything else is.</summary>
internal sealed partial class KernelDataPlane
{
    public ValueTask<PriorHold> HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // The kernel's addresses have none, so what it tells of such an SA would be nobody's.
            if (new[] { policy.LocalAddress, policy.RemoteAddress }.FirstOrDefault(a => a.IsIPv6LinkLocal) is { } linkLocal)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"The address {linkLocal} of '{policy.Connection}' has a scope, which the kernel's IPsec does not know; allowed are addresses that are not link-local");
            IReadOnlyList<XfrmPolicy> protecting = KernelPolicies.Of(policy);
            IReadOnlyList<XfrmPolicy> exceptions = KernelPolicies.ExceptionsOf(policy);
            // What goes into an interface is let there once it is known.
            List<XfrmPolicy> wanted = [.. protecting, .. exceptions, .. KernelBackstops.Of(policy, interfaceIndex: null)];
            uint requestId = KernelIds.RequestIdOf(policy.Connection);
            _connections.TryGetValue(requestId, out KernelConnection? known);
            if (known is not null && known.Policy.Connection != policy.Connection)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"The name '{policy.Connection}' has the request id of '{known.Policy.Connection}', which follows from the name; allowed: another name");
            List<XfrmPolicy> there = _xfrm.Policies();
            CheckNotOthers(policy, wanted, there, requestId);
            List<XfrmPolicy> before = there.FindAll(p => KernelIds.RequestIdOf(p) == requestId);

            IReadOnlyList<XfrmPolicy> backstops = Put(policy, wanted, before);
            wanted = [.. protecting, .. exceptions, .. backstops];
            bool isNew = known is null;
            PriorHold prior = before.Count > 0 ? PriorHold.Held : PriorHold.None;
            try
            {
                var keep = wanted.Select(KernelPolicies.KeyOf).ToHashSet();
                foreach (XfrmPolicy old in before.Where(p => !keep.Contains(KernelPolicies.KeyOf(p))))
                    _xfrm.DeletePolicy(old);
                if (known is null)
                {
                    known = new KernelConnection(policy, protecting);
                    _connections.Add(requestId, known);
                    TakeOverStates(known, before);
                    if (before.Count > 0)
                        KernelPlaneLog.TakenOver(_options.Logger, policy.Connection, known.Left.Count);
                }
                else
                {
                    // What was left was negotiated for what was held then.
                    ForgetLeft(known);
                }
                bool wasOnDemand = known.Policy.AcquirePerCpu;
                (known.Policy, known.Policies, known.Exceptions, known.Backstops) = (policy, protecting, exceptions, backstops);
                if (policy.AcquirePerCpu)
                    LowerAcquireExpiry();
                else if (wasOnDemand)
                    RaiseAcquireExpiry();
                MakeRoom(policy);
                // The policies were written without it.
                Disarm(known);
                Refresh(known);
            }
            catch (PcpuIpsecException) when (isNew)
            {
                _connections.Remove(requestId);
                if (policy.AcquirePerCpu)
                    RaiseAcquireExpiry();
                if (before.Count == 0)
                    TakeOff(policy.Connection, wanted);
                throw;
            }
            KernelPlaneLog.Held(_options.Logger, policy.Connection, wanted.Count, requestId);
            return ValueTask.FromResult(isNew && known.Left.Count > 0 ? PriorHold.Carried : prior);
        }
    }

    public ValueTask<bool> ReleaseAsync(string connection, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            uint requestId = KernelIds.RequestIdOf(connection);
            if (_connections.Remove(requestId, out KernelConnection? known))
            {
                known.Resume?.Dispose();
                known.LeftTimer?.Dispose();
                Disarm(known);
                if (known.Policy.AcquirePerCpu)
                    RaiseAcquireExpiry();
            }
            // States first: while one is there its policy is. Also what an earlier process left, held by nobody in this one.
            ForgetStates(requestId);
            List<XfrmPolicy> left = _xfrm.Policies();
            foreach (XfrmPolicy policy in left.Where(p => KernelIds.RequestIdOf(p) == requestId && KernelPolicies.ReleaseOrder(p) == 0))
                _xfrm.DeletePolicy(policy);
            _host.Routes.Release(connection);
            foreach (XfrmPolicy policy in left.Where(p => KernelIds.RequestIdOf(p) == requestId && KernelPolicies.ReleaseOrder(p) > 0).OrderBy(KernelPolicies.ReleaseOrder))
                _xfrm.DeletePolicy(policy);
            if (!left.Exists(p => KernelIds.RequestIdOf(p) is { } other && other != requestId && p.Selector.Family == XfrmAddress.IPv6))
            {
                foreach (XfrmPolicy policy in KernelPolicies.NeighborDiscovery().Where(n => left.Exists(p => p.Index == n.Index && KernelPolicies.KeyOf(p) == KernelPolicies.KeyOf(n))))
                    _xfrm.DeletePolicy(policy);
            }
            KernelPlaneLog.Released(_options.Logger, connection);
            return ValueTask.FromResult(left.Exists(p => KernelIds.RequestIdOf(p) == requestId));
        }
    }

    /// <summary>The kernel knows a policy by its selector: writing ours would take another program's place.</summary>
    private static void CheckNotOthers(TrafficPolicy policy, IReadOnlyList<XfrmPolicy> wanted, List<XfrmPolicy> there, uint requestId)
    {
        var others = there.Where(p => p.Mark is null && KernelIds.RequestIdOf(p) != requestId).ToLookup(KernelPolicies.KeyOf);
        if (wanted.FirstOrDefault(w => others.Contains(KernelPolicies.KeyOf(w))) is { } taken)
        {
            XfrmPolicy other = others[KernelPolicies.KeyOf(taken)].First();
            string whose = KernelIds.RequestIdOf(other) is not null ? "another tunnel's" : "another program's";
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                $"Tunnel '{policy.Connection}': the kernel's {taken.Describe()} is there already and {whose} (reqid {(other.Templates.Count > 0 ? other.Templates[0].RequestId : 0)}); allowed: selectors that nobody else protects");
        }
    }

    /// <summary>Writes what is wanted, then interface and routes.</summary>
    /// <returns>The backstops, with what is let into the interface.</returns>
    private IReadOnlyList<XfrmPolicy> Put(TrafficPolicy policy, List<XfrmPolicy> wanted, List<XfrmPolicy> before)
    {
        var held = before.Select(KernelPolicies.KeyOf).ToHashSet();
        List<XfrmPolicy> added = [];
        try
        {
            if (KernelPolicies.CoverNeighborDiscovery(policy))
            {
                foreach (XfrmPolicy neighbor in KernelPolicies.NeighborDiscovery())
                    _xfrm.UpdatePolicy(neighbor);
            }
            Write(wanted);
            // Before a policy goes whose place an interface takes.
            int? index = _host.Routes.Hold(policy);
            IReadOnlyList<XfrmPolicy> backstops = KernelBackstops.Of(policy, index);
            Write(backstops.Except(wanted));
            return backstops;
        }
        catch (PcpuIpsecException)
        {
            TakeOff(before.Count == 0 ? policy.Connection : null, added);
            throw;
        }

        void Write(IEnumerable<XfrmPolicy> policies)
        {
            foreach (XfrmPolicy one in policies)
            {
                _xfrm.UpdatePolicy(one);
                if (held.Add(KernelPolicies.KeyOf(one)))
                    added.Add(one);
            }
        }
    }

    /// <summary>What was not held before is not held. As much of it as the kernel lets; why it is done is what the caller is told.</summary>
    private void TakeOff(string? routesOf, List<XfrmPolicy> policies)
    {
        if (routesOf is not null)
            OrLater(() => _host.Routes.Release(routesOf));
        foreach (XfrmPolicy one in policies)
            OrLater(() => _xfrm.DeletePolicy(one));
    }

    /// <summary>For the SAs of all connections, since each is held before any has its SAs. A help, and no condition.</summary>
    private void MakeRoom(TrafficPolicy policy)
    {
        int ours = _sas.Count + _retired.Count + _connections.Values.Sum(c => c.Left.Count);
        int needed = _connections.Values.Sum(c => StateTableRoom.NeededBy(c.Policy, _options.Cpus.Count));
        try
        {
            if (!StateTableRoom.Make(_xfrm, KernelStates.Larval(policy, policy.LocalAddress, policy.RemoteAddress, _support), ours, needed))
                KernelPlaneLog.NoRoom(_options.Logger, policy.Connection, needed);
        }
        catch (NetlinkException e)
        {
            KernelPlaneLog.RoomRefused(_options.Logger, policy.Connection, e.Message);
        }
    }

    /// <summary>One connection needs it lowered no more; the last one has it put back.</summary>
    private void RaiseAcquireExpiry()
    {
        if (!_connections.Values.Any(c => c.Policy.AcquirePerCpu))
            RestoreAcquireExpiry();
    }

    private void RestoreAcquireExpiry()
    {
        try
        {
            _host.RestoreAcquireExpiry();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Of a process that had more rights, say: the next one that has them puts it back.
            KernelPlaneLog.ExpiryNotRestored(_options.Logger, e.Message);
        }
    }

    /// <summary>A help, and no condition: a container's settings may be read-only, or not there.</summary>
    private void LowerAcquireExpiry()
    {
        try
        {
            _host.LowerAcquireExpiry();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            KernelPlaneLog.ExpiryNotLowered(_options.Logger, e.Message);
        }
    }

    /// <summary>Deletes every state of a connection.</summary>
    private void ForgetStates(uint requestId)
    {
        foreach (XfrmInstalledState state in _xfrm.States().Where(s => s.State.RequestId == requestId))
        {
            if (state.State.Spi == 0)
                TakeBack(state.State);
            else
                _xfrm.DeleteState(state.State.Id);
        }
        foreach (InstalledSa sa in _sas.Values.Where(s => s.State.RequestId == requestId).ToArray())
        {
            _sas.Remove(sa.State.Id);
            sa.Dispose();
        }
        ForgetRetired(requestId);
    }
}
