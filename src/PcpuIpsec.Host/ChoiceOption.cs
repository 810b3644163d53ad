using System.CommandLine;
using System.CommandLine.Parsing;

namespace PcpuIpsec.Host;

/// <summary>An option that takes one of an enum's values, by its name in lower case.</summary>
internal sealed class ChoiceOption<T> : Option<T?>
    where T : struct, Enum
{
    private static readonly Dictionary<string, T> _choices = Enum.GetValues<T>().ToDictionary(v => v.ToString().ToLowerInvariant(), StringComparer.OrdinalIgnoreCase);

    private readonly T _default;

    public ChoiceOption(string name, string description, T defaultValue)
        : base(name)
    {
        _default = defaultValue;
        Description = $"{description}. Default: {defaultValue.ToString().ToLowerInvariant()}";
        HelpName = string.Join('|', _choices.Keys);
        CustomParser = Parse;
    }

    /// <summary>What was given, or the default.</summary>
    public T Of(ParseResult result) => result.GetValue(this) ?? _default;

    private T? Parse(ArgumentResult result)
    {
        string text = result.Tokens.Count > 0 ? result.Tokens[0].Value : "";
        if (_choices.TryGetValue(text, out T value))
            return value;
        result.AddError($"{Name} = '{text}': allowed are {string.Join(", ", _choices.Keys)}.");
        return null;
    }
}
