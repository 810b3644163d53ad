using System.Globalization;

namespace PcpuIpsec.Gateway;

/// <summary>The TCP segment size that is announced through a tunnel: <see cref="Auto"/>, <see cref="Off"/> or a number, which converts implicitly.</summary>
public readonly record struct MssClamp
{
    private readonly bool _isSet;

    private MssClamp(int? bytes) => (_isSet, Bytes) = (true, bytes);

    /// <summary>What fits into the path's MTU with the SA's overhead: suite, mode and ESP in UDP.</summary>
    public static MssClamp Auto => new(null);

    /// <summary>The kernel's own, which takes the path for one without ESP.</summary>
    public static MssClamp Off => default;

    internal bool IsOff => !_isSet;

    /// <summary>The number; null where it is not one.</summary>
    internal int? Bytes { get; }

    /// <summary>A number of bytes, 536 to 65495; checked when the tunnel is validated.</summary>
    /// <param name="bytes">The segment size.</param>
    public static implicit operator MssClamp(int bytes) => new(bytes);

    /// <summary>"auto", "off" or the number.</summary>
    public override string ToString() => IsOff ? "off" : Bytes?.ToString(CultureInfo.InvariantCulture) ?? "auto";
}
