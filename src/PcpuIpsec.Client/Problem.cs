namespace PcpuIpsec.Client;

/// <summary>What an answer that is an error says (RFC 9457).</summary>
internal sealed record Problem
{
    /// <summary>A URI that names the kind of problem.</summary>
    public const string TypePrefix = "urn:pcpu-ipsec:";

    public string? Type { get; init; }
    public string? Title { get; init; }
    public int? Status { get; init; }
    public string? Detail { get; init; }

    /// <summary>The kind of failure, such as <c>invalid-option</c> or <c>peer-silent</c>.</summary>
    public string? Error { get; init; }
}

/// <summary>The CPU that a Child SA is moved to.</summary>
internal sealed record MoveRequest
{
    public required int Cpu { get; init; }
}
