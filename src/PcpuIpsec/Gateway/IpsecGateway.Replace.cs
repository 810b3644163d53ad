using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

public sealed partial class IpsecGateway
{
    /// <summary>
    /// Gives a tunnel other options. Its SAs are deleted at both ends and negotiated anew as the new start action says; what the
    /// old and the new options both cover is held at every moment.
    /// </summary>
    /// <param name="tunnel">The new options, by the name of a tunnel that was added.</param>
    /// <param name="cancellationToken">Gives the wait up until the new options are in force; the tunnel is then as it was.</param>
    /// <exception cref="PcpuIpsecException">An option is wrong, or the host cannot hold the traffic or bind the ports; the tunnel is then as it was.</exception>
    public async Task ReplaceTunnelAsync(TunnelOptions tunnel, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(tunnel);
        ThrowIfDisposed();
        await _changing.WaitAsync(cancellationToken);
        try
        {
            ValidatedTunnel fresh = Validate(tunnel);
            try
            {
                ValidatedTunnel old = await _edge.Loop.AskAsync(() => Known(fresh.Name).Options, cancellationToken);
                await HoldInsteadAsync(old, fresh);
                await CloseConfirmedAsync(fresh.Name, CancellationToken.None);
                await _edge.Plane.CallAsync(plane => RemoveSasAsync(plane, old.Connection));
                await _edge.Loop.AskAsync(
                    () =>
                    {
                        _edge.Remove(Known(fresh.Name));
                        return Add(fresh, PriorHold.Held);
                    },
                    CancellationToken.None);
                await UnbindAsync(old.Connection);
            }
            catch
            {
                fresh.Dispose();
                throw;
            }
        }
        finally
        {
            _changing.Release();
        }
    }

    /// <summary>Finds out whether a tunnel could be added or replaced, as far as that shows without doing it.</summary>
    /// <exception cref="PcpuIpsecException">An option is wrong, or the data plane lacks what the tunnel needs.</exception>
    internal void CheckTunnel(TunnelOptions tunnel) => Validate(tunnel).Dispose();

    // Those whose end the peer has not confirmed: none of them is the new tunnel's.
    private static async ValueTask RemoveSasAsync(IDataPlane plane, IkeConnection connection)
    {
        foreach (SaCounters sa in plane.ReadSaCounters().Where(sa => sa.Connection == connection.Name))
            await plane.RemoveAsync(connection.Name, sa.Direction, sa.Spi, sa.Direction == SaDirection.Inbound ? connection.LocalAddress : connection.RemoteAddress, CancellationToken.None);
    }

    private async Task HoldInsteadAsync(ValidatedTunnel old, ValidatedTunnel fresh)
    {
        await BindAsync(fresh);
        try
        {
            await _edge.Plane.CallAsync(p => HoldAsync(p, fresh.Policy));
        }
        catch
        {
            try
            {
                // Holding again what is held makes it as it was.
                await _edge.Plane.CallAsync(p => HoldAsync(p, old.Policy));
            }
            finally
            {
                await UnbindAsync(fresh.Connection);
            }
            throw;
        }

        static async ValueTask HoldAsync(IDataPlane plane, TrafficPolicy policy) => await plane.HoldAsync(policy, CancellationToken.None);
    }
}
