using System.Collections;

namespace PcpuIpsec.PowerShell.Completion;

/// <summary>Usual suites by keyword; others are taken, too.</summary>
internal sealed class SuiteCompleter : Completer
{
    public static string[] Ike { get; } = ["aes128gcm16-sha256-x25519", "aes256gcm16-sha384-ecp384", "aes256gcm16-sha512-x448", "chacha20poly1305-sha256-x25519", "aes256-sha256-modp3072"];

    public static string[] Esp { get; } = ["aes128gcm16", "aes256gcm16", "chacha20poly1305", "aes128gcm16-x25519", "aes256gcm16-ecp384", "aes256-sha256"];

    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => (parameter == "IkeSuite" ? Ike : Esp).Select(s => new Candidate(s));
}

/// <summary>Kinds of events.</summary>
internal sealed class EventKindCompleter : Completer
{
    public static string[] Kinds { get; } =
    [
        "tunnel-added", "tunnel-removed", "ike-sa-established", "ike-sa-rekeyed", "ike-sa-closed", "ike-sa-failed",
        "child-sa-established", "child-sa-rekeyed", "child-sa-changed", "child-sa-closed", "child-sa-failed", "cpu-changed", "warning", "data-plane-failed",
    ];

    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => Kinds.Select(k => new Candidate(k));
}

/// <summary>The words for a TCP segment size; a number is taken, too.</summary>
internal sealed class MssCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => [new("auto", "what ESP leaves of the path's MTU"), new("off", "as the host would without the tunnel")];
}
