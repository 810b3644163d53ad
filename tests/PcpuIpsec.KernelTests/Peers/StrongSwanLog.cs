using System.Text.RegularExpressions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What charon logged: lines such as <c>14:27:12.657 15[ENC] parsed INFORMATIONAL request 6 [ D ]</c>.</summary>
internal sealed partial class StrongSwanLog(string text)
{
    public string Text => text;

    /// <summary>How much there is, for <see cref="Since"/>.</summary>
    public int Length => text.Length;

    public IEnumerable<string> Lines => text.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public StrongSwanLog Since(int length) => new(text[length..]);

    public bool Contains(string what) => text.Contains(what, StringComparison.Ordinal);

    /// <summary>
    /// What it found wrong with messages of its peer. From its parser (ENC) come two kinds of lines where all is well: what it
    /// generated and what it parsed, with a name for everything in it; a number in parentheses is what it has no name for.
    /// </summary>
    public IReadOnlyList<string> Warnings => [.. Lines.Where(IsWarning)];

    private static bool IsWarning(string line)
    {
        if (!EntryPattern().Match(line).Groups.TryGetValue("text", out Group? entry) || !entry.Success)
            return false;
        string group = EntryPattern().Match(line).Groups["group"].Value;
        return group switch
        {
            "ENC" => !(entry.Value.StartsWith("generating ", StringComparison.Ordinal) || entry.Value.StartsWith("parsed ", StringComparison.Ordinal))
                || (entry.Value.StartsWith("parsed ", StringComparison.Ordinal) && UnnamedPattern().IsMatch(entry.Value)),
            "IKE" or "NET" => ComplaintPattern().IsMatch(entry.Value),
            _ => false,
        };
    }

    [GeneratedRegex(@"^\S+ \d+\[(?<group>[A-Z]+)\] (?<text>.*)$")]
    private static partial Regex EntryPattern();

    [GeneratedRegex(@"\(\d+\)")]
    private static partial Regex UnnamedPattern();

    // "ignoring KE payload, agreed on a non-PFS proposal" speaks of the KE that it sent itself.
    [GeneratedRegex(@"\b(invalid|unexpected|malformed|unsupported|unknown|corrupted)\b|verification failed|parsing failed|(in message|payload|notify) missing|missing in message|received message ID|ignore DELETE|ignored$", RegexOptions.IgnoreCase)]
    private static partial Regex ComplaintPattern();
}
