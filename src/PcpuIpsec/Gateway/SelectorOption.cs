using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>
/// A traffic selector as an option: text (<c>192.0.1.0/24</c>, <c>2001:db8:1::/64[tcp/443]</c>) that is parsed when
/// the tunnel is validated, or a <see cref="TrafficSelector"/>. Both convert implicitly.
/// </summary>
public readonly record struct SelectorOption
{
    private readonly string? _text;
    private readonly TrafficSelector? _selector;

    private SelectorOption(string? text, TrafficSelector? selector)
    {
        _text = text;
        _selector = selector;
    }

    /// <summary>From text, parsed later.</summary>
    /// <param name="text">The selector as text.</param>
    public static implicit operator SelectorOption(string text) => new(text, null);

    /// <summary>From a selector.</summary>
    /// <param name="selector">The selector.</param>
    public static implicit operator SelectorOption(TrafficSelector selector) => new(null, selector);

    /// <summary>The text, or the selector's.</summary>
    public override string ToString() => _text ?? _selector?.ToString() ?? "";

    internal TrafficSelector? Selector => _selector;
}
