using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// Outbound states that nothing is sent by any more, and that what has found them is still on its way through. A state that is
/// deleted meanwhile costs that packet: xfrm_state_find takes it and xfrm_tmpl_resolve_one finds it dead (XfrmOutNoStates), or
/// xfrm_output_one does (XfrmOutStateInvalid). So first it becomes one that no packet finds.
/// </summary>
internal sealed partial class KernelDataPlane
{
    /// <summary>Much longer than a packet takes from its state to its end, also on a CPU that another one keeps waiting.</summary>
    private static readonly TimeSpan _retirement = TimeSpan.FromMilliseconds(250);

    private readonly Dictionary<XfrmStateId, RetiredState> _retired = [];

    /// <summary>
    /// Moves a state to an interface that is nobody's, one of the few things that an update changes; it also has sockets look
    /// anew (__xfrm_state_bump_genids). Deletes it once what found it is gone.
    /// </summary>
    private void Retire(XfrmState state, ChosenSuite suite, IDisposable? remembered)
    {
        try
        {
            WithoutKeys(suite, (encryption, integrity) => _xfrm.UpdateState(
                state with { InterfaceId = KernelIds.RetiredInterfaceId, Limits = XfrmLimits.None }, suite, encryption, integrity));
        }
        catch (PcpuIpsecException)
        {
            // A packet more or less; that it carries nothing more counts.
            remembered?.Dispose();
            _xfrm.DeleteState(state.Id);
            return;
        }
        _retired[state.Id] = new RetiredState(state.RequestId, remembered, _options.Clock.CreateTimer(_ => EndRetirement(state.Id), null, _retirement, Timeout.InfiniteTimeSpan));
    }

    private void EndRetirement(XfrmStateId id)
    {
        lock (_lock)
        {
            if (!_disposed)
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

    private sealed record RetiredState(uint RequestId, IDisposable? Remembered, ITimer Timer) : IDisposable
    {
        public void Dispose()
        {
            Timer.Dispose();
            Remembered?.Dispose();
        }
    }
}
