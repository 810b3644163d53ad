using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>
/// A declaration from what a pipeline brings: a tunnel's own, or that of an object or dictionary with its fields, as
/// ConvertFrom-Json and Import-Csv make them. All of it or an error: a field that were overlooked could be one that protects.
/// </summary>
internal static class DefinitionReader
{
    private static readonly JsonSerializerOptions _options = WireJson.Default.Options;

    /// <exception cref="DaemonException">It is none; the message names the field, the value and what is allowed.</exception>
    public static TunnelDefinition Read(object source) => Base(source) switch
    {
        TunnelDefinition definition => definition,
        Tunnel tunnel => tunnel.Definition,
        PSCustomObject or IDictionary => JsonSerializer.Deserialize(Fields(source, WireJson.Default.TunnelDefinition, ""), WireJson.Default.TunnelDefinition)!,
        { } other => throw Refused("Definition", other, "a tunnel, its definition, or an object with its fields"),
    };

    private static object Base(object value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    // The path is that of the field that this is the value of, with a dot; empty for the declaration itself.
    private static JsonObject Fields(object source, JsonTypeInfo type, string path)
    {
        var fields = new JsonObject();
        foreach ((string name, object? value) in MembersOf(source))
        {
            // Whose daemon, and no field: the parameter takes it.
            if (path.Length == 0 && name == nameof(DaemonCmdlet.Socket))
                continue;
            JsonPropertyInfo field = type.Properties.FirstOrDefault(p => p.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                ?? throw new DaemonException("invalid-option", $"{path}{name}: there is no such field; allowed: {string.Join(", ", type.Properties.Select(p => p.Name))}");
            if (value is null || Base(value) is "")
                continue;
            if (field.PropertyType == typeof(PreSharedKey))
                throw new DaemonException("invalid-option", $"{path}{field.Name}: no object may have it; allowed: the parameter PreSharedKey, or preSharedKeyFile or preSharedKeyCredential");
            if (Node(value, field.PropertyType, path + field.Name) is { } node && !fields.TryAdd(field.Name, node))
                throw new DaemonException("invalid-option", $"{path}{field.Name}: it is given twice");
        }
        return type.Properties.FirstOrDefault(p => p.IsRequired && !fields.ContainsKey(p.Name)) is { } missing
            ? throw new DaemonException("invalid-option", $"{path}{missing.Name}: it is needed")
            : fields;
    }

    private static IEnumerable<(string Name, object? Value)> MembersOf(object source) => Base(source) is IDictionary entries
        ? entries.Cast<DictionaryEntry>().Select(e => (Convert.ToString(e.Key, CultureInfo.InvariantCulture) ?? "", e.Value))
        : PSObject.AsPSObject(source).Properties.Select(p => (p.Name, (object?)p.Value));

    /// <returns>Null where the value says that there is none.</returns>
    private static JsonNode? Node(object wrapped, Type type, string path)
    {
        // An object of the shell's has its properties in what wraps it.
        object value = Base(wrapped);
        type = Nullable.GetUnderlyingType(type) ?? type;
        JsonTypeInfo info = _options.GetTypeInfo(type);
        if (type.IsInstanceOfType(value) && value is not (double or IDictionary))
            return JsonSerializer.SerializeToNode(value, info);
        if (info.Kind == JsonTypeInfoKind.Enumerable)
            return List(value, info.ElementType!, path);
        if (info.Kind == JsonTypeInfoKind.Object)
        {
            return value switch
            {
                // As -PerCpu and -Bypass have them.
                bool perCpu when type == typeof(PerCpuDefinition) => perCpu ? new JsonObject() : null,
                string prefix when type == typeof(TrafficException) => new JsonObject { ["remote"] = prefix },
                PSCustomObject or IDictionary => Fields(wrapped, info, path + "."),
                _ => throw Refused(path, value, "an object"),
            };
        }
        return Scalar(value, type, path);
    }

    private static JsonArray List(object value, Type elementType, string path)
    {
        IEnumerable<object?> items = value is IEnumerable many and not (string or IDictionary) ? many.Cast<object?>() : [value];
        var list = new JsonArray();
        foreach (object? item in items)
            list.Add(Node(item ?? throw Refused(path, "", "no empty entry"), elementType, path));
        return list;
    }

    private static JsonNode Scalar(object value, Type type, string path)
    {
        // A number of a spreadsheet is text, and MSS's word may be a number.
        string text = value is string or ValueType or IPAddress ? Convert.ToString(value, CultureInfo.InvariantCulture)! : throw Refused(path, value, "a single value");
        if (type == typeof(string))
            return JsonValue.Create(text);
        if (type == typeof(bool))
            return JsonValue.Create(bool.TryParse(text, out bool flag) ? flag : throw Refused(path, text, "true, false"));
        if (type.IsEnum)
            return JsonValue.Create(Enum.GetNames(type).FirstOrDefault(n => n.Equals(text, StringComparison.OrdinalIgnoreCase))?.ToLowerInvariant() ?? throw Refused(path, text, string.Join(", ", Enum.GetNames(type))));
        const NumberStyles Number = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint;
        if (type == typeof(double))
            return JsonValue.Create(double.TryParse(text, Number, CultureInfo.InvariantCulture, out double seconds) && double.IsFinite(seconds) ? seconds : throw Refused(path, text, "a number"));
        return type == typeof(uint)
            ? JsonValue.Create(uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint id) ? id : throw Refused(path, text, "a number of 0 to 4294967295"))
            : JsonValue.Create(int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int count) ? count : throw Refused(path, text, "a whole number"));
    }

    private static DaemonException Refused(string path, object value, string allowed) => new("invalid-option", $"{path}: '{value}' is not allowed; allowed: {allowed}");
}
