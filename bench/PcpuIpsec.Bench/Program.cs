using System.Globalization;
using PcpuIpsec;
using PcpuIpsec.Bench;

const string Usage = """
    PcpuIpsec.Bench: measurements beside peers, in one run.

      sa-install [--count N] [--rounds N]   SAs installed per second: this library and `ip -batch`, in turns

    Needs root and a kernel with ESP. It works in a network namespace of its own and leaves nothing behind.
    """;

if (args is not ["sa-install", .. string[] options])
{
    Console.Error.WriteLine(Usage);
    return args is ["--help"] or ["-h"] ? 0 : 2;
}
try
{
    int count = 1000, rounds = 9;
    for (int i = 0; i < options.Length; i += 2)
    {
        if (i + 1 == options.Length || !int.TryParse(options[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out int value) || value is < 1 or > 100_000)
            throw new ArgumentException($"'{options[i]}' needs a number from 1 to 100000.");
        switch (options[i])
        {
            case "--count": count = value; break;
            case "--rounds": rounds = value; break;
            default: throw new ArgumentException($"'{options[i]}' is no option; there are --count and --rounds.");
        }
    }
    SaInstall.Run(count, rounds, Console.Out);
    return 0;
}
catch (Exception e) when (e is PcpuIpsecException or ArgumentException or InvalidOperationException)
{
    Console.Error.WriteLine(e.Message);
    return 1;
}
