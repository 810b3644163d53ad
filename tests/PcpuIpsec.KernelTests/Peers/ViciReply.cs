namespace PcpuIpsec.KernelTests.Peers;

/// <summary>
/// What <c>swanctl --raw</c> prints: sections <c>name {…}</c>, values <c>name=text</c>, lists <c>name=[text text]</c>, all
/// separated by single spaces.
/// </summary>
internal sealed class ViciSection
{
    private readonly Dictionary<string, string> _values = [];
    private readonly Dictionary<string, ViciSection> _sections = [];

    public IReadOnlyDictionary<string, ViciSection> Sections => _sections;

    /// <summary>A value or a list's text; null where there is none of that name.</summary>
    public string? this[string name] => _values.GetValueOrDefault(name);

    public string Require(string name) => this[name] ?? throw new FormatException($"swanctl printed no '{name}', only: {string.Join(", ", _values.Keys)}");

    /// <summary>The bodies of the lines that tell of an event, such as <c>list-sa event {…}</c>.</summary>
    public static IEnumerable<ViciSection> Events(string output, string name)
    {
        string start = name + " event {";
        foreach (string line in output.Split('\n').Where(l => l.StartsWith(start, StringComparison.Ordinal)))
        {
            int at = start.Length;
            yield return Read(line, ref at);
        }
    }

    private static ViciSection Read(string text, ref int at)
    {
        var section = new ViciSection();
        while (true)
        {
            if (at >= text.Length)
                throw new FormatException($"swanctl printed a section without an end: {text}");
            if (text[at] == ' ')
            {
                at++;
                continue;
            }
            if (text[at] == '}')
            {
                at++;
                return section;
            }
            int nameEnd = text.AsSpan(at).IndexOfAny(' ', '=', '}');
            if (nameEnd <= 0)
                throw new FormatException($"swanctl printed no name at {at}: {text}");
            string name = text.Substring(at, nameEnd);
            at += nameEnd;
            if (text[at] == '=')
                section._values[name] = ReadValue(text, ref at);
            else if (text.AsSpan(at).StartsWith(" {"))
                section._sections[name] = ReadNested(text, ref at);
            else
                throw new FormatException($"swanctl printed '{name}' and neither value nor section: {text}");
        }
    }

    private static ViciSection ReadNested(string text, ref int at)
    {
        at += 2;
        return Read(text, ref at);
    }

    private static string ReadValue(string text, ref int at)
    {
        at++;
        bool isList = at < text.Length && text[at] == '[';
        int end = isList ? text.IndexOf(']', at) : text.AsSpan(at).IndexOfAny(' ', '}') is >= 0 and var length ? at + length : -1;
        if (end < 0)
            throw new FormatException($"swanctl printed a value without an end: {text}");
        string value = isList ? text[(at + 1)..end] : text[at..end];
        at = isList ? end + 1 : end;
        return value;
    }
}
