using System.Globalization;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>An IKE SA as strongSwan lists it.</summary>
internal sealed record PeerIkeSa(int UniqueId, string State, ulong InitiatorSpi, ulong ResponderSpi, IReadOnlyList<PeerChildSa> Children)
{
    internal static PeerIkeSa Read(ViciSection sa) => new(
        int.Parse(sa.Require("uniqueid"), CultureInfo.InvariantCulture),
        sa.Require("state"),
        ulong.Parse(sa.Require("initiator-spi"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        ulong.Parse(sa.Require("responder-spi"), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
        sa.Section("child-sas") is { } children ? [.. children.Sections.Select(PeerChildSa.Read)] : []);
}

/// <summary>A Child SA as strongSwan lists it; its "in" is our "out".</summary>
/// <param name="UniqueId">What <c>--child-id</c> takes.</param>
/// <param name="State">INSTALLED; REKEYED and DELETED for one whose inbound half waits for stragglers.</param>
/// <param name="InboundSpi">0 where it has none yet.</param>
/// <param name="OutboundSpi">0 where it has none yet.</param>
/// <param name="Cpu">Null where it is bound to none.</param>
/// <param name="PacketsIn">Packets received.</param>
/// <param name="PacketsOut">Packets sent.</param>
internal sealed record PeerChildSa(int UniqueId, string State, uint InboundSpi, uint OutboundSpi, int? Cpu, long PacketsIn, long PacketsOut)
{
    public bool IsInstalled => State == "INSTALLED";

    internal static PeerChildSa Read(ViciSection sa) => new(
        int.Parse(sa.Require("uniqueid"), CultureInfo.InvariantCulture),
        sa.Require("state"),
        Spi(sa["spi-in"]),
        Spi(sa["spi-out"]),
        sa["cpu"] is { } cpu ? int.Parse(cpu, CultureInfo.InvariantCulture) : null,
        long.Parse(sa["packets-in"] ?? "0", CultureInfo.InvariantCulture),
        long.Parse(sa["packets-out"] ?? "0", CultureInfo.InvariantCulture));

    private static uint Spi(string? hex) => hex is null ? 0 : uint.Parse(hex, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
