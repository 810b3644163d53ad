using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary><c>bench/</c> needs a kernel with ESP: here it has one. Its table is left among the results.</summary>
public sealed partial class SaInstallRateTests
{
    /// <summary>Emulation and its noise: what is only somewhat slower passes, what lost its way does not.</summary>
    private const double LeastRatio = 0.5;

    [KernelFact]
    public async Task SAs_are_installed_about_as_fast_as_by_ip_batch()
    {
        var info = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "PcpuIpsec.Bench"), ["sa-install", "--count", "500", "--rounds", "7"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process bench = Process.Start(info)!;
        Task<string> errors = bench.StandardError.ReadToEndAsync();
        string output = await bench.StandardOutput.ReadToEndAsync();
        await bench.WaitForExitAsync();
        await File.WriteAllTextAsync(Path.Combine(GuestMachine.ResultsFolder, "sa-install.txt"), output);

        Assert.True(bench.ExitCode == 0, await errors);
        Match median = Median().Match(output);
        Assert.True(median.Success, output);
        double ratio = double.Parse(median.Groups["ratio"].Value, CultureInfo.InvariantCulture);
        Assert.True(ratio >= LeastRatio, output);
    }

    [GeneratedRegex(@"^median +\d+ +\d+ +(?<ratio>\d+\.\d+)", RegexOptions.Multiline)]
    private static partial Regex Median();
}
