using System.Globalization;

namespace PcpuIpsec.Gateway;

/// <summary>How options are called, and their values written, where their faults are told: as here, or as they were declared.</summary>
internal class OptionWords
{
    public static OptionWords Library { get; } = new();

    /// <param name="path">Names of properties with dots between them and places in lists, such as <c>XfrmInterface.Routes[1]</c>.</param>
    public virtual string Name(string path) => path;

    public virtual string Value(object? value) => value is null ? "null" : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
}
