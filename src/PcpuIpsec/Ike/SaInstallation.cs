using System.Net;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike;

/// <summary>The direction of one SA, seen from this host.</summary>
internal enum SaDirection : byte
{
    Inbound = 1,
    Outbound = 2,
}

/// <summary>How a Child SA carries packets (RFC 4301 §3.2).</summary>
public enum IpsecMode
{
    /// <summary>Whole packets inside new ones, between gateways.</summary>
    Tunnel,

    /// <summary>The payload alone, between the two hosts themselves (USE_TRANSPORT_MODE, RFC 7296 §1.3.1).</summary>
    Transport,
}

/// <summary>
/// ESP in UDP (RFC 3948): the ports of the outer datagram as this SA's packets carry them. An inbound SA's source port is 0
/// where the peer may send from any: then another than before is no movement of the peer.
/// </summary>
internal sealed record UdpEncapsulation(ushort SourcePort, ushort DestinationPort);

/// <summary>Limits of one SA; null means none. Soft ones are reported once, a hard one stops the SA.</summary>
internal sealed record SaLifetime(ulong? SoftBytes = null, ulong? HardBytes = null, ulong? SoftPackets = null, ulong? HardPackets = null, TimeSpan? SoftTime = null, TimeSpan? HardTime = null);

/// <summary>Everything a data plane needs to install one direction of a Child SA.</summary>
internal sealed record SaInstallation
{
    public required SaDirection Direction { get; init; }

    /// <summary>The connection (tunnel) whose policy this SA serves.</summary>
    public required string Connection { get; init; }

    public required uint Spi { get; init; }

    /// <summary>Outer source: ours where outbound.</summary>
    public required IPAddress Source { get; init; }

    /// <summary>Outer destination: ours where inbound.</summary>
    public required IPAddress Destination { get; init; }

    public required ChosenSuite Suite { get; init; }

    /// <summary>With the AEAD's salt behind the key.</summary>
    public required Secret EncryptionKey { get; init; }

    /// <summary>Empty with AEADs.</summary>
    public required Secret IntegrityKey { get; init; }

    public required IpsecMode Mode { get; init; }

    /// <summary>Our side's selectors, as negotiated.</summary>
    public required IReadOnlyList<TrafficSelector> LocalSelectors { get; init; }

    /// <summary>The peer's side's selectors, as negotiated.</summary>
    public required IReadOnlyList<TrafficSelector> RemoteSelectors { get; init; }

    /// <summary>The CPU it is bound to; null for the fallback and for what is bound to none.</summary>
    public int? Cpu { get; init; }

    /// <summary>Null for plain ESP (IP protocol 50).</summary>
    public UdpEncapsulation? Encapsulation { get; init; }

    /// <summary>Inbound only: 0 or 64 to 4096 packets.</summary>
    public int ReplayWindow { get; init; }

    public SaLifetime Lifetime { get; init; } = new();

    /// <summary>Outbound only: this SA takes over from the one with this SPI (a rekey), in one step.</summary>
    public uint? Replaces { get; init; }

    /// <summary>Zeroes both keys.</summary>
    public void DisposeKeys()
    {
        EncryptionKey.Dispose();
        IntegrityKey.Dispose();
    }
}
