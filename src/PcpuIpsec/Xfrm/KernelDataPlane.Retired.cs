using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Outbound states that nothing is to be sent by any more, and that what has found them is still on its way through. A state that is
/// deleted meanwhile costs that packet: xfrm_state_find takes it and xfrm_tmpl_resolve_one finds it dead (XfrmOutNoStates), or
/// xfrm_output_one does (XfrmOutStateInvalid). So first it becomes one that no packet finds.
/// </summary>
internal sealed partial class KernelDataPlane
{
    /// <summary>Much longer than a packet takes from its state to its end, also on a CPU that another one keeps waiting.</summary>
    private static readonly TimeSpan _retirement = TimeSpan.FromMilliseconds(250);

    /// <summary>Longer than a packet takes from its state to the route that a socket keeps.</summary>
    private static readonly TimeSpan _hideAgain = TimeSpan.FromMilliseconds(20);

    private readonly Dictionary<XfrmStateId, RetiredState> _retired = [];

    /// <summary>
    /// Hides a state and deletes it once what found it is gone. An interface drops what has found a state that is another's by then
    /// (xfrmi_xmit2): its state stays as it is where its CPU has a younger one, which the kernel prefers. Else it is deleted at once, also a
    /// fallback, since the next one is the older one to the kernel (<see cref="KernelConnection.NextFallbackTime"/>).
    /// </summary>
    private void Retire(XfrmState state, ChosenSuite suite, IDisposable? remembered)
    {
        if (state.InterfaceId == 0 ? !Hide(state, suite) : !HasYounger(state))
        {
            remembered?.Dispose();
            _xfrm.DeleteState(state.Id);
            return;
        }
        if (_retired.Remove(state.Id, out RetiredState? before))
            before.Dispose();
        _retired.Add(state.Id, new RetiredState(
            state.RequestId,
            remembered,
            // A socket that was between the state and its route then keeps what it found.
            state.InterfaceId == 0 ? _options.Clock.CreateTimer(_ => HideAgain(state, suite), null, _hideAgain, Timeout.InfiniteTimeSpan) : null,
            _options.Clock.CreateTimer(_ => EndRetirement(state.Id), null, _retirement, Timeout.InfiniteTimeSpan)));
    }

    private bool HasYounger(XfrmState state)
        => state.Cpu is { } cpu && _connections.TryGetValue(state.RequestId, out KernelConnection? connection) && HasOwn(connection, cpu);

    /// <summary>
    /// Moves a state to an interface that is nobody's, one of the few things that an update changes; it also has sockets look
    /// anew (__xfrm_state_bump_genids). Should this process be killed, the state still ends when it was to end.
    /// </summary>
    /// <returns>False where the kernel refuses: a packet more or less, but nothing more is to be sent by it.</returns>
    private bool Hide(XfrmState state, ChosenSuite suite)
    {
        try
        {
            WithoutKeys(suite, (encryption, integrity) => _xfrm.UpdateState(
                state with { InterfaceId = KernelIds.RetiredInterfaceId, Limits = new XfrmLimits { HardTime = state.Limits.HardTime } }, suite, encryption, integrity));
            return true;
        }
        catch (PcpuIpsecException)
        {
            return false;
        }
    }

    private void HideAgain(XfrmState state, ChosenSuite suite)
    {
        lock (_lock)
        {
            if (!_disposed && _retired.ContainsKey(state.Id))
                Hide(state, suite);
        }
    }

    private void EndRetirement(XfrmStateId id)
    {
        lock (_lock)
        {
            if (_disposed || !_retired.TryGetValue(id, out RetiredState? retired))
                return;
            retired.IsDue = true;
            OrLater(() => DeleteRetired(id));
        }
    }

    /// <summary>Does nothing where it is none.</summary>
    private void DeleteRetired(XfrmStateId id)
    {
        if (!_retired.TryGetValue(id, out RetiredState? retired))
            return;
        _xfrm.DeleteState(id);
        _retired.Remove(id);
        retired.Dispose();
    }

    /// <summary>Their states are gone already.</summary>
    private void ForgetRetired(uint requestId)
    {
        foreach ((XfrmStateId id, RetiredState retired) in _retired.Where(r => r.Value.RequestId == requestId).ToArray())
        {
            _retired.Remove(id);
            retired.Dispose();
        }
    }

    private sealed record RetiredState(uint RequestId, IDisposable? Remembered, ITimer? Again, ITimer End) : IDisposable
    {
        /// <summary>It could be deleted, but for the kernel.</summary>
        public bool IsDue { get; set; }

        public void Dispose()
        {
            Again?.Dispose();
            End.Dispose();
            Remembered?.Dispose();
        }
    }
}
