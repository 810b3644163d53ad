namespace PcpuIpsec.Client;

/// <summary>A state of the kernel's XFRM, without its keys.</summary>
public sealed record XfrmState
{
    /// <summary>Outer source.</summary>
    public required string Source { get; init; }

    /// <summary>Outer destination.</summary>
    public required string Destination { get; init; }

    /// <summary>The SPI as <c>ip xfrm state</c> shows it; <c>0x00000000</c> for the placeholder of an acquire.</summary>
    public required string Spi { get; init; }

    /// <summary>The tunnel whose state it is; null for another program's.</summary>
    public string? Tunnel { get; init; }

    /// <summary><c>in</c> or <c>out</c>; null on kernels that do not know.</summary>
    public string? Direction { get; init; }

    /// <summary>The CPU that it is bound to; null for none.</summary>
    public int? Cpu { get; init; }

    /// <summary><c>tunnel</c>, <c>transport</c> or <c>beet</c>.</summary>
    public required string Mode { get; init; }

    /// <summary>The number that joins it to policies (reqid).</summary>
    public required uint RequestId { get; init; }

    /// <summary>The XFRM interface's number; 0 for none.</summary>
    public required uint InterfaceId { get; init; }

    /// <summary>The kernel's name of the cipher; null for a state without keys yet.</summary>
    public string? Encryption { get; init; }

    /// <summary>The kernel's name of the integrity algorithm; null with an AEAD.</summary>
    public string? Integrity { get; init; }

    /// <summary>The UDP ports of ESP in UDP, <c>4500-4500</c>; null without.</summary>
    public string? Encapsulation { get; init; }

    /// <summary>Anti-replay window in packets.</summary>
    public required int ReplayWindow { get; init; }

    /// <summary>Extended sequence numbers.</summary>
    public required bool Esn { get; init; }

    /// <summary>Bytes that went through.</summary>
    public required ulong Bytes { get; init; }

    /// <summary>Packets that went through.</summary>
    public required ulong Packets { get; init; }

    /// <summary>The last sequence number sent or received.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>Packets refused as replayed or older than the window.</summary>
    public required long ReplayDrops { get; init; }

    /// <summary>Packets refused since their integrity check failed.</summary>
    public required long IntegrityDrops { get; init; }

    /// <summary>When it last carried a packet; null where the kernel does not tell.</summary>
    public DateTimeOffset? LastUsed { get; init; }
}

/// <summary>A policy of the kernel's XFRM.</summary>
public sealed record XfrmPolicy
{
    /// <summary><c>in</c>, <c>out</c>, <c>fwd</c>, <c>socket in</c> or <c>socket out</c>.</summary>
    public required string Direction { get; init; }

    /// <summary>What packets it matches: source.</summary>
    public required string Source { get; init; }

    /// <summary>What packets it matches: destination.</summary>
    public required string Destination { get; init; }

    /// <summary>What packets it matches: IP protocol; 0 is any.</summary>
    public required int Protocol { get; init; }

    /// <summary><c>protect</c>, <c>pass</c> or <c>drop</c>.</summary>
    public required string Action { get; init; }

    /// <summary>Lower wins.</summary>
    public required uint Priority { get; init; }

    /// <summary>The tunnel whose policy it is; null for another program's.</summary>
    public string? Tunnel { get; init; }

    /// <summary>The states that serve it are those with this number; 0 for any.</summary>
    public required uint RequestId { get; init; }

    /// <summary>The outer addresses, <c>10.0.0.1 → 10.0.0.2</c>; null without a tunnel.</summary>
    public string? Template { get; init; }

    /// <summary>The XFRM interface's number; 0 for none.</summary>
    public required uint InterfaceId { get; init; }
}
