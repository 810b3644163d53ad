using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>Policies and the routing that makes them hold.</summary>
internal sealed partial class EmbeddedDataPlane
{
    public async ValueTask<PriorHold> HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_tables.Policies.FirstOrDefault(p => p.Policy.Connection != policy.Connection && TrafficHold.TableOf(p.Policy.Connection) == TrafficHold.TableOf(policy.Connection)) is { } other)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"The name '{policy.Connection}' has the routing table of '{other.Policy.Connection}', which follows from the name; allowed: another name");
            List<LinkAddressEntry> own = _routes.Addresses();
            UInt128? IcmpSource(AddressFamily family)
                => (OwnAddresses.Covered(policy, own, family) ?? (policy.LocalAddress.AddressFamily == family ? policy.LocalAddress : AnyOwn(own, family))) is { } address ? TrafficSelector.ToNumber(address) : null;
            var entry = new PolicyEntry(policy, _workers.Length, IcmpSource(AddressFamily.InterNetwork), IcmpSource(AddressFamily.InterNetworkV6));
            bool wasHeld = _hold.CountRules(policy.Connection) > 0;
            try
            {
                _hold.Hold(policy, _tun.Index, family => OwnAddresses.Covered(policy, own, family));
            }
            catch (NetlinkException) when (!wasHeld)
            {
                _hold.Release(policy.Connection);
                throw;
            }
            _tables.SetPolicy(entry);
            await PublishAsync().ConfigureAwait(false);
            WarnOfStrictReversePath(policy);
            PlaneLog.Held(_options.Logger, policy.Connection, _hold.CountRules(policy.Connection), TrafficHold.TableOf(policy.Connection));
            return wasHeld ? PriorHold.Held : PriorHold.None;
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask<bool> ReleaseAsync(string connection, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // Also where this process does not hold it: an earlier one may have.
            bool wasHeld = _hold.CountRules(connection) > 0;
            _hold.Release(connection);
            _tables.RemovePolicy(connection);
            SaEntry[] orphans = [.. _tables.Inbound.Where(e => e.Installation.Connection == connection), .. _tables.Outbound.Where(e => e.Installation.Connection == connection)];
            foreach (SaInstallation sa in orphans.Select(o => o.Installation))
                _ = sa.Direction == SaDirection.Inbound ? TakeInbound(sa.Spi) : (SaEntry?)TakeOutbound(connection, sa.Spi, sa.Destination);
            await PublishAsync().ConfigureAwait(false);
            foreach (SaEntry orphan in orphans)
                orphan.Dispose();
            PlaneLog.Released(_options.Logger, connection);
            return wasHeld;
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask AllowAcquiresAsync(string connection, bool allowed, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_tables.FindPolicy(connection) is { } policy)
                policy.AcquiresPerCpu = allowed;
        }
        finally
        {
            _control.Release();
        }
    }

    private static IPAddress? AnyOwn(List<LinkAddressEntry> own, AddressFamily family) => own.Find(a => OwnAddresses.IsUsable(a.Address, family))?.Address;

    /// <summary>
    /// Where the peer itself is protected, the way back to it leads into the TUN; strict reverse path filtering then takes
    /// the peer's outer packets, which come from elsewhere, for forged.
    /// </summary>
    private void WarnOfStrictReversePath(TrafficPolicy policy)
    {
        if (policy.RemoteAddress.AddressFamily != AddressFamily.InterNetwork)
            return;
        UInt128 peer = TrafficSelector.ToNumber(policy.RemoteAddress);
        if (!policy.RemoteSelectors.Any(s => !s.IsIPv6 && peer >= s.Start && peer <= s.End))
            return;
        string? strict = _namespace.Run(() =>
        {
            const string Folder = "/proc/sys/net/ipv4/conf/";
            foreach (Link link in _routes.Links().Where(l => l.Name != _options.InterfaceName && !l.Flags.HasFlag(LinkFlags.Loopback)))
            {
                // The larger of the two holds (ip-sysctl.rst).
                if (int.Max(ReadSetting($"{Folder}all/rp_filter"), ReadSetting($"{Folder}{link.Name}/rp_filter")) == 1)
                    return $"net.ipv4.conf.{link.Name}.rp_filter";
            }
            return null;
        });
        if (strict is not null)
            PlaneLog.StrictReversePath(_options.Logger, policy.Connection, policy.RemoteAddress, strict);
    }

    private static int ReadSetting(string path) => File.Exists(path) && int.TryParse(File.ReadAllText(path), out int value) ? value : 0;
}
