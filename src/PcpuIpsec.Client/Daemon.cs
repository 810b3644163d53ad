using System.Text.Json.Serialization;

namespace PcpuIpsec.Client;

/// <summary>A daemon: what it is, where it works and on what.</summary>
public sealed record DaemonInfo
{
    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>The version of its API; see <see cref="DaemonClient.ApiVersion"/>.</summary>
    public required int ApiVersion { get; init; }

    /// <summary>Its process.</summary>
    public required int ProcessId { get; init; }

    /// <summary>When it started.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>The folder of its declared tunnels.</summary>
    public required string TunnelsFolder { get; init; }

    /// <summary>The data plane at work: <c>kernel</c> or <c>embedded</c>.</summary>
    public required string DataPlane { get; init; }

    /// <summary>Why it is that one.</summary>
    public required string DataPlaneReason { get; init; }

    /// <summary>The CPUs that the data plane works on.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }

    /// <summary>Counters of IKE since the start, by name.</summary>
    public required IReadOnlyDictionary<string, long> IkeCounters { get; init; }

    /// <summary>Packets that the data plane dropped since the start, by reason.</summary>
    public required IReadOnlyDictionary<string, long> DropCounters { get; init; }
}

/// <summary>What a reload did, by the tunnels' names.</summary>
public sealed record ReloadResult
{
    /// <summary>Those that were declared anew.</summary>
    public required IReadOnlyList<string> Added { get; init; }

    /// <summary>Those whose declaration changed; what both declarations cover was held all the time.</summary>
    public required IReadOnlyList<string> Updated { get; init; }

    /// <summary>Those that are declared no more.</summary>
    public required IReadOnlyList<string> Removed { get; init; }

    /// <summary>Those that are as they were.</summary>
    public required IReadOnlyList<string> Unchanged { get; init; }
}

/// <summary>Something that happened in a daemon.</summary>
public sealed record DaemonEvent
{
    /// <summary>Its number since the daemon's start, from 1 on.</summary>
    public required long Id { get; init; }

    /// <summary>When.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>What it is about: <c>tunnel-added</c>, <c>ike-sa-established</c>, <c>child-sa-rekeyed</c>, <c>warning</c>, …</summary>
    public required string Kind { get; init; }

    /// <summary>The tunnel; empty where it concerns the whole gateway.</summary>
    public required string Tunnel { get; init; }

    /// <summary>What happened, for people.</summary>
    public required string Message { get; init; }

    /// <summary>The reason where something failed, such as <c>peer-silent</c>.</summary>
    public string? Error { get; init; }

    /// <summary>The Child SA, its counters zero, where it concerns one.</summary>
    public ChildSa? ChildSa { get; init; }
}

/// <summary>The outcome of a check.</summary>
[JsonConverter(typeof(KebabCaseEnumConverter<CheckOutcome>))]
public enum CheckOutcome
{
    /// <summary>As it should be.</summary>
    Pass,

    /// <summary>It works; something could be better.</summary>
    Warning,

    /// <summary>Something does not work.</summary>
    Failure,
}

/// <summary>One thing that was looked at on a host.</summary>
public sealed record HostCheck
{
    /// <summary>What was looked at.</summary>
    public required string Name { get; init; }

    /// <summary>How it is.</summary>
    public required CheckOutcome Outcome { get; init; }

    /// <summary>What was found.</summary>
    public required string Detail { get; init; }

    /// <summary>What to do; null where nothing needs to be done.</summary>
    public string? Advice { get; init; }
}
