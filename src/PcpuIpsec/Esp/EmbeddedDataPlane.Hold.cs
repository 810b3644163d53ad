using System.Net;
using System.Net.Sockets;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>Policies and the routing that makes them hold.</summary>
internal sealed partial class EmbeddedDataPlane
{
    public async ValueTask<bool> HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_tables.Policies.FirstOrDefault(p => p.Policy.Connection != policy.Connection && TrafficHold.TableOf(p.Policy.Connection) == TrafficHold.TableOf(policy.Connection)) is { } other)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Name: '{policy.Connection}' has the routing table of '{other.Policy.Connection}', which follows from the name; allowed: another name");
            List<LinkAddressEntry> own = _routes.Addresses();
            UInt128? IcmpSource(AddressFamily family)
                => (Own(policy, own, family) ?? (policy.LocalAddress.AddressFamily == family ? policy.LocalAddress : AnyOwn(own, family))) is { } address ? TrafficSelector.ToNumber(address) : null;
            var entry = new PolicyEntry(policy, _workers.Length, IcmpSource(AddressFamily.InterNetwork), IcmpSource(AddressFamily.InterNetworkV6));
            bool wasHeld = _hold.CountRules(policy.Connection) > 0;
            try
            {
                _hold.Hold(policy, _tun.Index, family => Own(policy, own, family));
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
            return wasHeld;
        }
        finally
        {
            _control.Release();
        }
    }

    public async ValueTask ReleaseAsync(string connection, CancellationToken cancellationToken)
    {
        await _control.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            // Also where this process does not hold it: an earlier one may have.
            _hold.Release(connection);
            _tables.RemovePolicy(connection);
            SaEntry[] orphans = [.. _tables.Inbound.Where(e => e.Installation.Connection == connection), .. _tables.Outbound.Where(e => e.Installation.Connection == connection)];
            foreach (SaInstallation sa in orphans.Select(o => o.Installation))
                _ = sa.Direction == SaDirection.Inbound ? TakeInbound(sa.Spi) : (SaEntry?)TakeOutbound(sa.Spi, sa.Destination);
            await PublishAsync().ConfigureAwait(false);
            foreach (SaEntry orphan in orphans)
                orphan.Dispose();
            PlaneLog.Released(_options.Logger, connection);
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

    /// <summary>An address of this host that the policy's local selectors cover; the outer one where it is among them.</summary>
    internal static IPAddress? Own(TrafficPolicy policy, List<LinkAddressEntry> own, AddressFamily family)
    {
        bool Covered(IPAddress address)
        {
            UInt128 number = TrafficSelector.ToNumber(address);
            bool isIPv6 = family == AddressFamily.InterNetworkV6;
            return policy.LocalSelectors.Any(s => s.IsIPv6 == isIPv6 && number >= s.Start && number <= s.End);
        }
        if (policy.LocalAddress.AddressFamily == family && Covered(policy.LocalAddress))
            return policy.LocalAddress;
        return own.Find(a => IsUsable(a.Address, family) && Covered(a.Address))?.Address;
    }

    private static IPAddress? AnyOwn(List<LinkAddressEntry> own, AddressFamily family) => own.Find(a => IsUsable(a.Address, family))?.Address;

    private static bool IsUsable(IPAddress address, AddressFamily family)
        => address.AddressFamily == family && !IPAddress.IsLoopback(address) && !address.IsIPv6LinkLocal;

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
