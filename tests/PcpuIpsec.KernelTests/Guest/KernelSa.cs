using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>An SA as the kernel holds it, told by <c>ip -s xfrm state</c>: a second opinion beside our own netlink.</summary>
/// <param name="Source">The outer source.</param>
/// <param name="Destination">The outer destination.</param>
/// <param name="Spi">Its SPI.</param>
/// <param name="Direction"><c>in</c> or <c>out</c>; null where the SA has none.</param>
/// <param name="Cpu">The CPU that it is bound to; null is the fallback.</param>
/// <param name="Bytes">Bytes that it carried.</param>
/// <param name="Packets">Packets that it carried.</param>
/// <param name="Replays">Packets refused as replays or as too old.</param>
/// <param name="Failures">Packets whose integrity check failed.</param>
/// <param name="Text">All that ip tells.</param>
internal sealed partial record KernelSa(string Source, string Destination, uint Spi, string? Direction, int? Cpu, long Bytes, long Packets, long Replays, long Failures, string Text)
{
    /// <summary>The source port of ESP in UDP; null where it is plain ESP.</summary>
    public int? UdpSourcePort => EncapsulationPattern().Match(Text) is { Success: true } match ? (int)Number(match, 1) : null;

    public static async Task<IReadOnlyList<KernelSa>> ReadAsync(LabHost host)
        => Parse((await KernelLab.IpAsync(host, "-s xfrm state list nokeys")).EnsureSuccess().Output);

    /// <summary>The states of ip's output: each begins at a line's first column.</summary>
    internal static IReadOnlyList<KernelSa> Parse(string output)
    {
        var states = new List<KernelSa>();
        foreach (string text in Begin().Split(output).Where(t => t.Length > 0))
        {
            Match addresses = Required(Addresses(), text), carried = Required(Carried(), text), refused = Required(Refused(), text);
            Match direction = DirectionPattern().Match(text), cpu = CpuPattern().Match(text);
            states.Add(new KernelSa(
                addresses.Groups[1].Value,
                addresses.Groups[2].Value,
                uint.Parse(Required(SpiPattern(), text).Groups[1].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                direction.Success ? direction.Groups[1].Value : null,
                cpu.Success ? (int)Number(cpu, 1) : null,
                Number(carried, 1),
                Number(carried, 2),
                Number(refused, 1) + Number(refused, 2),
                Number(refused, 3),
                text));
        }
        return states;
    }

    private static Match Required(Regex pattern, string text)
        => pattern.Match(text) is { Success: true } match ? match : throw new FormatException($"'{pattern}' is not in what ip tells of a state:\n{text}");

    private static long Number(Match match, int group) => long.Parse(match.Groups[group].ValueSpan, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?=src )", RegexOptions.Multiline)]
    private static partial Regex Begin();

    [GeneratedRegex(@"^src (\S+) dst (\S+)")]
    private static partial Regex Addresses();

    [GeneratedRegex(@"\bspi 0x([0-9a-f]+)")]
    private static partial Regex SpiPattern();

    [GeneratedRegex(@"\bdir (in|out)\b")]
    private static partial Regex DirectionPattern();

    [GeneratedRegex(@"\bpcpu-num (\d+)")]
    private static partial Regex CpuPattern();

    [GeneratedRegex(@"\bencap type espinudp sport (\d+)")]
    private static partial Regex EncapsulationPattern();

    [GeneratedRegex(@"lifetime current:\s+(\d+)\(bytes\), (\d+)\(packets\)")]
    private static partial Regex Carried();

    [GeneratedRegex(@"stats:\s+replay-window (\d+) replay (\d+) failed (\d+)")]
    private static partial Regex Refused();
}
