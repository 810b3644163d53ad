using System.Text.Json;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

public class ResultsFileTests
{
    [Fact]
    public void What_is_written_can_be_read()
    {
        string json = ResultsFile.Serialize(SampleResults.Make(repeat: 3));

        Assert.Equal(json, ResultsFile.Serialize(ResultsFile.Parse(json)));
    }

    [Fact]
    public void It_has_the_documented_shape()
    {
        using JsonDocument document = JsonDocument.Parse(ResultsFile.Serialize(SampleResults.Make()));
        JsonElement root = document.RootElement;

        Assert.Equal(LabResults.CurrentSchemaVersion, root.GetProperty("schemaVersion").GetInt32());
        JsonElement run = root.GetProperty("runs").EnumerateArray().Single(r => r.GetProperty("name").GetString() == "per-cpu-2");
        Assert.Equal("per-cpu", run.GetProperty("kind").GetString());
        Assert.Equal(2900, run.GetProperty("values")[0].GetDouble());
        Assert.Equal(1.812, run.GetProperty("ratioToOneSa").GetDouble());
        Assert.Equal(JsonValueKind.Null, run.GetProperty("statistics").GetProperty("confidenceInterval95").ValueKind);
        foreach (string gateway in (string[])["west", "east"])
        {
            JsonElement child = run.GetProperty("childSas").GetProperty(gateway)[1];
            Assert.Equal(0, child.GetProperty("cpu").GetInt32());
            Assert.False(child.GetProperty("isFallback").GetBoolean());
            Assert.Equal("0xc0000002", child.GetProperty("outbound").GetProperty("spi").GetString());
            Assert.Equal(100_000, child.GetProperty("outbound").GetProperty("bytes").GetInt64());
            Assert.Equal(50, child.GetProperty("inbound").GetProperty("packets").GetInt64());
        }
    }

    [Fact]
    public void Another_schema_is_refused()
        => Assert.Contains("schemaVersion = 99", Assert.Throws<JsonException>(
            () => ResultsFile.Parse(ResultsFile.Serialize(SampleResults.Make() with { SchemaVersion = 99 }))).Message);

    [Fact]
    public void Every_field_is_in_the_documentation()
    {
        string documentation = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "results.md"));
        using JsonDocument document = JsonDocument.Parse(ResultsFile.Serialize(SampleResults.Make(repeat: 2)));

        Assert.All(Names(document.RootElement).Distinct(), name => Assert.Contains($"`{name}`", documentation));
    }

    // The keys of the free dictionaries (tools, settings, drops) are data and no fields.
    private static IEnumerable<string> Names(JsonElement element, string? parent = null) => element.ValueKind switch
    {
        JsonValueKind.Array => element.EnumerateArray().SelectMany(e => Names(e)),
        JsonValueKind.Object => element.EnumerateObject().SelectMany(p => (string[])
        [
            .. parent is "tools" or "settings" ? [] : (string[])[p.Name],
            .. p.Name == "drops" ? [] : Names(p.Value, p.Name),
        ]),
        _ => [],
    };

    internal static string RepositoryRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "PcpuIpsec.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("No PcpuIpsec.slnx above the tests.");
    }
}
