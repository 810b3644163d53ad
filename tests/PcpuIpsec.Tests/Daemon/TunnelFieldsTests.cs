using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Tests.Measurement;

namespace PcpuIpsec.Tests.Daemon;

/// <summary>What docs/tunnel-fields.md says of each field is what is done with it.</summary>
public sealed partial class TunnelFieldsTests
{
    private static readonly string _document = File.ReadAllText(Path.Combine(ResultsFileTests.RepositoryRoot(), "docs", "tunnel-fields.md"));

    private static readonly Row[] _rows =
    [
        .. FieldRow().Matches(_document).Select(m => new Row(m.Groups["field"].Value, m.Groups["type"].Value.Trim(), m.Groups["allowed"].Value.Trim(), m.Groups["default"].Value.Trim())),
    ];

    public static TheoryData<string> Fields() => [.. _rows.Select(r => r.Field)];

    [Fact]
    public void Each_field_of_a_declaration_is_in_the_table_once()
        => Assert.Equal(FieldsOf(WireJson.Default.TunnelDefinition, "").Order(), _rows.Select(r => r.Field).Order());

    [Theory]
    [MemberData(nameof(Fields))]
    public void What_is_in_the_table_is_what_is_done(string field)
    {
        Row row = _rows.Single(r => r.Field == field);

        // A number's ends are taken, and what is beyond them is refused by the range as it is written there.
        if (Range().Match(row.Allowed) is { Success: true } range && !row.Type.StartsWith("text", StringComparison.Ordinal))
        {
            (double least, double most) = (double.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture), double.Parse(range.Groups[2].Value, CultureInfo.InvariantCulture));
            bool isList = row.Allowed.EndsWith("entries", StringComparison.Ordinal);
            Check(Value(least));
            Check(Value(most));
            AssertRefused(field, Value(most + 1), isList || most is uint.MaxValue ? "" : range.Value);
            if (!isList)
                AssertRefused(field, Value(least is 1 && row.Type == "seconds" ? 0.5 : least - 1), range.Value);
            if (row.Allowed.Contains("0 for never", StringComparison.Ordinal))
                Check(JsonValue.Create(0));

            JsonNode Value(double number) => isList ? new JsonArray([.. Enumerable.Repeat(0, (int)number).Select(_ => Entry(field))]) : JsonValue.Create(number);
        }
        // Words are taken, and all others refused by them.
        if (row.Type == "word")
        {
            string[] words = [.. Code().Matches(row.Allowed).Select(m => m.Groups[1].Value)];
            Assert.All(words, w => Check(JsonValue.Create(w)));
            AssertRefused(field, JsonValue.Create("other"), "allowed: " + string.Join(", ", words));
        }
        // What is given as default, and what is not given, is the same.
        if (Code().Match(row.Default) is { Success: true } literal && literal.Value == row.Default)
            Assert.Equal(Text(Options(field, null)), Text(Options(field, JsonNode.Parse(literal.Groups[1].Value))));
        else if (row.Default == "needed")
            Assert.Contains(field.Split('.')[^1], Assert.ThrowsAny<PcpuIpsecException>(() => Read(Without(field))).Message);

        void Check(JsonNode value) => Options(field, value).Validate([0], [0]).Dispose();
    }

    [Fact]
    public void Each_word_of_a_suite_is_in_the_table_and_so_are_the_defaults()
    {
        string suites = _document[_document.IndexOf("## Suites", StringComparison.Ordinal)..];
        string[] words = [.. suites.Split('\n').Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Select(l => l.Split('|')).Where(c => c.Length == 5).SelectMany(c => Code().Matches(c[2])).Select(m => m.Groups[1].Value)];

        Assert.Equal(Keywords.Canonical.Order(), words.Order());
        Assert.All(CipherSuite.DefaultIke.Concat(CipherSuite.DefaultEsp), s => Assert.Contains($"| `{s}` |", suites));
    }

    private static void AssertRefused(string field, JsonNode value, string allowed)
    {
        var e = Assert.Throws<PcpuIpsecException>(() => Options(field, value).Validate([0], [0]).Dispose());
        Assert.Contains(field, e.Message);
        Assert.Contains(allowed, e.Message);
    }

    private static IEnumerable<string> FieldsOf(JsonTypeInfo type, string prefix)
    {
        foreach (JsonPropertyInfo property in type.Properties)
        {
            yield return prefix + property.Name;
            JsonTypeInfo inner = type.Options.GetTypeInfo(property.PropertyType);
            if (inner.ElementType is { } element)
                inner = type.Options.GetTypeInfo(element);
            if (inner.Kind == JsonTypeInfoKind.Object)
            {
                foreach (string field in FieldsOf(inner, $"{prefix}{property.Name}."))
                    yield return field;
            }
        }
    }

    /// <summary>A tunnel with a field set to a value, or the same without it.</summary>
    private static TunnelOptions Options(string field, JsonNode? value)
    {
        JsonObject tunnel = Without(field);
        if (value is not null)
        {
            string[] path = field.Split('.');
            (path.Length == 1 ? tunnel : tunnel[path[0]]!.AsObject())[path[^1]] = value;
        }
        return TunnelMapping.ToOptions(Read(tunnel), Secret.CopyOf("key"u8));
    }

    private static JsonObject Without(string field)
    {
        JsonObject tunnel = JsonNode.Parse("""{"name":"t","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"}""")!.AsObject();
        string[] path = field.Split('.');
        if (path is ["perCpu", _])
            tunnel["perCpu"] = new JsonObject();
        else if (path is ["xfrmInterface", _])
            tunnel["xfrmInterface"] = JsonNode.Parse("""{"name":"ipsec0"}""");
        (path.Length == 1 ? tunnel : tunnel[path[0]]!.AsObject()).Remove(path[^1]);
        return tunnel;
    }

    private static JsonNode Entry(string field) => field is "bypass" or "discard" ? JsonNode.Parse("""{"remote":"10.2.0.0/25"}""")! : JsonValue.Create("10.2.0.0/24");

    private static TunnelDefinition Read(JsonObject tunnel) => WireReader.Read(JsonSerializer.SerializeToUtf8Bytes(tunnel), WireJson.Default.TunnelDefinition);

    private static string Text(TunnelOptions options) => options.ToString();

    [GeneratedRegex(@"^\| `(?<field>[a-zA-Z.]+)` \|(?<type>[^|\n]*)\|(?<allowed>[^|\n]*)\|(?<default>[^|\n]*)\|[^|\n]*\|$", RegexOptions.Multiline)]
    private static partial Regex FieldRow();

    [GeneratedRegex(@"^(\d+) to (\d+)")]
    private static partial Regex Range();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    private sealed record Row(string Field, string Type, string Allowed, string Default);
}
