using System.Globalization;
using System.Text.Json;
using PcpuIpsec.Gateway;
using PcpuIpsec.Xfrm;
using Wire = PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What the library and the kernel say, as the API says it.</summary>
internal static class StatusMapping
{
    public static Wire.Tunnel ToWire(TunnelStatus tunnel, Wire.TunnelDefinition definition) => new()
    {
        Name = tunnel.Name,
        State = (Wire.TunnelState)tunnel.State,
        LastError = tunnel.LastError,
        Definition = definition,
        IkeSa = tunnel.IkeSa is { } sa ? ToWire(sa) : null,
        ChildSas = [.. tunnel.ChildSas.Select(c => ToWire(tunnel.Name, c))],
    };

    public static Wire.ChildSa ToWire(string tunnel, ChildSaStatus child) => new()
    {
        Tunnel = tunnel,
        Number = child.Number,
        Cpu = child.Cpu,
        IsFallback = child.IsFallback,
        InboundSpi = Spi(child.InboundSpi),
        OutboundSpi = Spi(child.OutboundSpi),
        OutboundInstalled = child.OutboundInstalled,
        InitiatedByUs = child.InitiatedByUs,
        Mode = (Wire.TunnelMode)child.Mode,
        Suite = child.Suite,
        LocalSelectors = [.. child.LocalSelectors.Select(s => s.ToString())],
        RemoteSelectors = [.. child.RemoteSelectors.Select(s => s.ToString())],
        PacketsIn = child.PacketsIn,
        BytesIn = child.BytesIn,
        PacketsOut = child.PacketsOut,
        BytesOut = child.BytesOut,
        ReplayDrops = child.ReplayDrops,
        IntegrityDrops = child.IntegrityDrops,
        OtherDrops = child.OtherDrops,
        LastUsed = child.LastUsed,
    };

    public static Wire.DaemonEvent ToWire(long id, GatewayEvent e) => new()
    {
        Id = id,
        Time = e.Time,
        Kind = Kebab(e.Kind),
        Tunnel = e.Tunnel,
        Message = e.Message,
        Error = e.Error is { } error ? Kebab(error) : null,
        ChildSa = e.ChildSa is { } child ? ToWire(e.Tunnel, child) : null,
    };

    /// <summary>A state, and whose it is.</summary>
    public static Wire.XfrmState ToWire(XfrmInstalledState installed, IReadOnlyDictionary<uint, string> tunnels)
    {
        XfrmState state = installed.State;
        return new Wire.XfrmState
        {
            Source = state.Source.ToString(),
            Destination = state.Destination.ToString(),
            Spi = Spi(state.Spi),
            Tunnel = tunnels.GetValueOrDefault(state.RequestId),
            Direction = state.Direction is { } direction ? Kebab(direction) : null,
            Cpu = state.Cpu,
            Mode = Kebab(state.Mode),
            RequestId = state.RequestId,
            InterfaceId = state.InterfaceId,
            Encryption = installed.Encryption,
            Integrity = installed.Integrity,
            Encapsulation = state.Encapsulation is { } e ? string.Create(CultureInfo.InvariantCulture, $"{e.SourcePort}-{e.DestinationPort}") : null,
            ReplayWindow = state.ReplayWindow,
            Esn = state.IsEsn,
            Bytes = installed.Counters.Bytes,
            Packets = installed.Counters.Packets,
            Sequence = Math.Max(installed.SentSequence, installed.ReceivedSequence),
            ReplayDrops = (long)installed.Drops.OutsideWindow + installed.Drops.Replayed,
            IntegrityDrops = installed.Drops.IntegrityFailed,
            LastUsed = installed.LastUsed,
        };
    }

    /// <summary>A policy, and whose it is.</summary>
    public static Wire.XfrmPolicy ToWire(XfrmPolicy policy, IReadOnlyDictionary<uint, string> tunnels)
    {
        XfrmTemplate? template = policy.Templates.Count > 0 ? policy.Templates[0] : null;
        return new Wire.XfrmPolicy
        {
            Direction = XfrmPolicy.Text(policy.Direction),
            Source = Side(policy.Selector.Source, policy.Selector.SourcePort),
            Destination = Side(policy.Selector.Destination, policy.Selector.DestinationPort),
            Protocol = policy.Selector.Protocol,
            Action = policy.Action == XfrmPolicyAction.Block ? "drop" : template is null ? "pass" : "protect",
            Priority = policy.Priority,
            Tunnel = KernelIds.RequestIdOf(policy) is { } id ? tunnels.GetValueOrDefault(id) : null,
            RequestId = template?.RequestId ?? 0,
            Template = template is { Mode: XfrmMode.Tunnel } ? $"{template.Source} → {template.Destination}" : null,
            InterfaceId = policy.InterfaceId,
        };
    }

    public static string Kebab<T>(T value) where T : struct, Enum => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    private static Wire.IkeSa ToWire(IkeSaStatus sa) => new()
    {
        InitiatorSpi = sa.InitiatorSpi.ToString("x16", CultureInfo.InvariantCulture),
        ResponderSpi = sa.ResponderSpi.ToString("x16", CultureInfo.InvariantCulture),
        IsInitiator = sa.IsInitiator,
        Local = sa.Local?.ToString(),
        Remote = sa.Remote?.ToString(),
        Suite = sa.Suite,
        PerResource = sa.PerResource,
    };

    private static string Spi(uint spi) => string.Create(CultureInfo.InvariantCulture, $"0x{spi:x8}");

    private static string Side(XfrmPrefix prefix, XfrmPort port) => port.Mask switch
    {
        0 => prefix.ToString(),
        ushort.MaxValue => string.Create(CultureInfo.InvariantCulture, $"{prefix}[{port.Value}]"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{prefix}[{port.Value}/0x{port.Mask:x4}]"),
    };
}
