using System.Runtime.CompilerServices;

namespace PcpuIpsec.Tests;

/// <summary>The public API of PcpuIpsec.dll is what PublicApi.txt says, so that no change of it goes unseen.</summary>
public class PublicApiTests
{
    private const string Regenerate = "PCPUIPSEC_WRITE_PUBLIC_API";

    [Fact]
    public void The_public_API_is_the_one_that_was_agreed()
    {
        string actual = PublicApiPrinter.Print(typeof(PcpuIpsecException).Assembly);
        string path = Path.Combine(Path.GetDirectoryName(SourcePath())!, "PublicApi.txt");
        if (Environment.GetEnvironmentVariable(Regenerate) == "1")
            File.WriteAllText(path, actual);

        string expected = File.ReadAllText(path);
        Assert.True(expected == actual, $"The public API has changed; where that is meant, set {Regenerate}=1 and run this test again.\n{Difference(expected, actual)}");
    }

    private static string Difference(string expected, string actual)
    {
        string[] before = expected.Split('\n'), after = actual.Split('\n');
        return string.Join('\n', before.Except(after).Select(l => "- " + l).Concat(after.Except(before).Select(l => "+ " + l)));
    }

    private static string SourcePath([CallerFilePath] string path = "") => path;
}
