using System.Buffers.Binary;
using System.Collections;
using System.Text;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>What a vici message, or a section of one, holds: texts, lists of texts and sections, by name, in order.</summary>
internal sealed class ViciSection : IEnumerable<KeyValuePair<string, object>>
{
    // What each element of the encoding begins with (strongSwan, src/libcharon/plugins/vici/README.md).
    private const byte SectionStart = 1, SectionEnd = 2, KeyValue = 3, ListStart = 4, ListItem = 5, ListEnd = 6;

    private readonly List<KeyValuePair<string, object>> _items = [];

    /// <summary>A text; null where there is none of that name.</summary>
    public string? this[string name] => Find(name) as string;

    public IEnumerable<ViciSection> Sections => _items.Select(i => i.Value).OfType<ViciSection>();

    public void Add(string name, string value) => _items.Add(new(name, value));

    public void Add(string name, IReadOnlyList<string> values) => _items.Add(new(name, values));

    public void Add(string name, ViciSection section) => _items.Add(new(name, section));

    public string Require(string name) => this[name] ?? throw new FormatException($"strongSwan told no '{name}', only: {string.Join(", ", _items.Select(i => i.Key))}");

    public ViciSection? Section(string name) => Find(name) as ViciSection;

    public static ViciSection Parse(ReadOnlySpan<byte> message)
    {
        var section = new ViciSection();
        section.Read(ref message);
        return section;
    }

    public void Write(Stream to)
    {
        foreach ((string name, object value) in _items)
        {
            switch (value)
            {
                case ViciSection section:
                    to.WriteByte(SectionStart);
                    WriteName(to, name);
                    section.Write(to);
                    to.WriteByte(SectionEnd);
                    break;
                case IReadOnlyList<string> list:
                    to.WriteByte(ListStart);
                    WriteName(to, name);
                    foreach (string item in list)
                    {
                        to.WriteByte(ListItem);
                        WriteValue(to, item);
                    }
                    to.WriteByte(ListEnd);
                    break;
                case string text:
                    to.WriteByte(KeyValue);
                    WriteName(to, name);
                    WriteValue(to, text);
                    break;
            }
        }
    }

    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() => _items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal static void WriteName(Stream to, string name)
    {
        to.WriteByte((byte)name.Length);
        to.Write(Encoding.ASCII.GetBytes(name));
    }

    private static void WriteValue(Stream to, string value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value);
        Span<byte> length = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)text.Length);
        to.Write(length);
        to.Write(text);
    }

    private object? Find(string name) => _items.FirstOrDefault(i => i.Key == name).Value;

    private void Read(ref ReadOnlySpan<byte> from)
    {
        while (from.Length > 0)
        {
            byte element = Take(ref from, 1)[0];
            if (element == SectionEnd)
                return;
            string name = Encoding.ASCII.GetString(Take(ref from, Take(ref from, 1)[0]));
            switch (element)
            {
                case SectionStart:
                    var section = new ViciSection();
                    section.Read(ref from);
                    Add(name, section);
                    break;
                case ListStart:
                    var list = new List<string>();
                    while (Take(ref from, 1)[0] == ListItem)
                        list.Add(ReadValue(ref from));
                    Add(name, list);
                    break;
                case KeyValue:
                    Add(name, ReadValue(ref from));
                    break;
                default:
                    throw new FormatException($"A vici message has an element of type {element}.");
            }
        }
    }

    private static string ReadValue(ref ReadOnlySpan<byte> from)
        => Encoding.UTF8.GetString(Take(ref from, BinaryPrimitives.ReadUInt16BigEndian(Take(ref from, 2))));

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> from, int length)
    {
        if (from.Length < length)
            throw new FormatException("A vici message ends within an element.");
        ReadOnlySpan<byte> taken = from[..length];
        from = from[length..];
        return taken;
    }
}
