using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Xfrm;

/// <summary>What a process before this one left that was killed: policies that hold, and SAs that carry.</summary>
internal sealed partial class KernelDataPlane
{
    /// <summary>Longer than a peer that answers waits before it sends by an SA that it did not ask for.</summary>
    private static readonly TimeSpan _leftInboundLifetime = TimeSpan.FromSeconds(10);

    /// <summary>
    /// What a killed process left carries the traffic on, where the policies are what they were: nothing else says what its SAs
    /// were negotiated for. What carries nothing, a number that was reserved or a CPU's acquire, goes.
    /// </summary>
    private void TakeOverStates(KernelConnection connection, List<XfrmPolicy> before)
    {
        bool isSame = Protecting(before).SetEquals(Protecting(connection.Policies));
        List<XfrmInstalledState> left = [];
        foreach (XfrmInstalledState state in _xfrm.States().Where(s => s.State.RequestId == connection.RequestId))
        {
            if (state.State.Spi == 0)
                TakeBack(state.State);
            else if (isSame && !state.IsLarval && state.State.Spi != KernelIds.StandInSpi && state.State.InterfaceId != KernelIds.RetiredInterfaceId)
                left.Add(state);
            else
                _xfrm.DeleteState(state.State.Id);
        }
        connection.TakeOver(left);

        static HashSet<object> Protecting(IEnumerable<XfrmPolicy> policies)
            => [.. policies.Where(p => p.Templates.Count > 0).Select(p => (KernelPolicies.KeyOf(p), p.Templates[0].Source, p.Templates[0].Destination, p.Templates[0].Mode))];
    }

    /// <summary>
    /// An outbound SA is there, of a peer that may have forgotten what was left (INITIAL_CONTACT, RFC 7296 §2.4): all is sent by
    /// it from now on. What the peer has under way, or sends until it uses the new ones, is taken a while longer.
    /// </summary>
    /// <param name="connection">Whose.</param>
    /// <param name="suite">That of the SA that is there.</param>
    private void ReplaceLeft(KernelConnection connection, ChosenSuite suite)
    {
        foreach (XfrmState state in connection.Left.Where(connection.IsOutbound))
            Retire(state, suite, remembered: null);
        connection.Left.RemoveAll(connection.IsOutbound);
        if (connection.Left.Count > 0)
            connection.LeftTimer ??= _options.Clock.CreateTimer(_ => EndLeft(connection), null, _leftInboundLifetime, Timeout.InfiniteTimeSpan);
    }

    private void EndLeft(KernelConnection connection)
    {
        lock (_lock)
        {
            if (!_disposed && _connections.ContainsValue(connection))
                OrLater(() => ForgetLeft(connection));
        }
    }

    private void ForgetLeft(KernelConnection connection)
    {
        connection.LeftTimer?.Dispose();
        connection.LeftTimer = null;
        foreach (XfrmState state in connection.Left)
            _xfrm.DeleteState(state.Id);
        connection.Left.Clear();
    }
}
