using System.Text.Json;
using System.Text.Json.Serialization;

namespace PcpuIpsec.KernelTests.Guest;

internal enum TestEventKind
{
    /// <summary>Will be run.</summary>
    Planned,
    Started,
    Passed,
    Failed,
    Skipped,
}

/// <summary>What the run in the VM tells the host, a line each, as it happens: what ends a VM ends no result.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Test">The test's display name: class, method and arguments.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Message">The failure, or the reason of a skip.</param>
/// <param name="Output">What the test wrote.</param>
internal sealed record TestEvent(TestEventKind Kind, string Test, double Seconds = 0, string? Message = null, string? Output = null)
{
    public const string FileName = "events.jsonl";

    /// <summary>Whether the test has ended by it.</summary>
    [JsonIgnore]
    public bool IsResult => Kind is TestEventKind.Passed or TestEventKind.Failed or TestEventKind.Skipped;

    public string ToLine() => JsonSerializer.Serialize(this);

    /// <summary>All events of a file. A last line that was cut off by the VM's end counts for nothing.</summary>
    public static IReadOnlyList<TestEvent> ReadAll(string path)
    {
        if (!File.Exists(path))
            return [];
        string text = File.ReadAllText(path);
        return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonSerializer.Deserialize<TestEvent>(l)!)];
    }
}
