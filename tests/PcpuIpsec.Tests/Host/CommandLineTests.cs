using System.Globalization;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Tests.Measurement;

namespace PcpuIpsec.Tests.Host;

public class CommandLineTests
{
    [Theory]
    [InlineData("", "pcpu-ipsec: a verb is missing; allowed are serve, lab, lab-hosts, release.")]
    [InlineData("bogus", "pcpu-ipsec: 'bogus' is no verb; allowed are serve, lab, lab-hosts, release.")]
    [InlineData("bogus --socket x", "pcpu-ipsec: 'bogus' is no verb; allowed are serve, lab, lab-hosts, release.")]
    [InlineData("help bogus", "pcpu-ipsec: 'bogus' is no verb; allowed are serve, lab, lab-hosts, release.")]
    [InlineData("serve --data-plane foo", "pcpu-ipsec: --data-plane = 'foo': allowed are auto, kernel, embedded.")]
    [InlineData("release --data-plane 1", "pcpu-ipsec: --data-plane = '1': allowed are auto, kernel, embedded.")]
    [InlineData("serve --on-stop keep", "pcpu-ipsec: --on-stop = 'keep': allowed are hold, release, forget.")]
    [InlineData("serve --log loud", "pcpu-ipsec: --log = 'loud': allowed are trace, debug, information, warning, error, critical, none.")]
    [InlineData("serve --socks x", "pcpu-ipsec: Unrecognized command or argument '--socks'.")]
    public async Task What_is_wrong_is_told_in_its_own_words_and_where_to_look(string line, string told)
    {
        (int exit, string output, string error) = await RunAsync(line);

        Assert.Equal(1, exit);
        Assert.Empty(output);
        Assert.StartsWith(told + Environment.NewLine, error, StringComparison.Ordinal);
        Assert.EndsWith($"pcpu-ipsec: see pcpu-ipsec {(line.StartsWith("serve", StringComparison.Ordinal) || line.StartsWith("release", StringComparison.Ordinal) ? line.Split(' ')[0] + " " : "")}--help{Environment.NewLine}", error, StringComparison.Ordinal);
    }

    /// <summary>Only of a folder that a program made for its daemon.</summary>
    [Theory]
    [InlineData("serve --on-stop forget")]
    [InlineData("serve --on-stop forget --until-input-ends")]
    [InlineData("serve --on-stop forget --tunnels /nowhere")]
    public async Task A_daemon_removes_no_folder_that_others_declare_tunnels_in(string line)
    {
        (int exit, _, string error) = await RunAsync(line);

        Assert.Equal(1, exit);
        Assert.StartsWith("pcpu-ipsec: --on-stop: 'forget' removes the folder of declared tunnels; allowed with --until-input-ends and --tunnels alone", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("help", "serve", "lab-hosts", "release")]
    [InlineData("--help", "serve", "lab-hosts", "release")]
    [InlineData("help serve", "/run/pcpu-ipsec/pcpu-ipsec.sock", "/etc/pcpu-ipsec/tunnels.d", "trace|debug|information|warning|error|critical|none", "Default: information", "Default: hold", "Default: auto")]
    [InlineData("serve --help", "/run/pcpu-ipsec/pcpu-ipsec.sock", "auto|kernel|embedded", "hold|release|forget", "Default: all that it can", "Default: none")]
    [InlineData("help release", "/etc/pcpu-ipsec/tunnels.d", "--tunnel <NAME>", "auto|kernel|embedded")]
    public async Task Help_names_each_option_with_what_it_takes_and_its_default(string line, params string[] told)
    {
        (int exit, string output, string error) = await RunAsync(line);

        Assert.Equal((0, ""), (exit, error));
        // However it is broken into lines.
        string text = string.Join(' ', output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.All(told, t => Assert.Contains(t, text, StringComparison.Ordinal));
    }

    [Fact]
    public void The_labs_script_names_each_option_of_the_lab()
    {
        string script = File.ReadAllText(Path.Combine(ResultsFileTests.RepositoryRoot(), "lab.sh"));

        Assert.All(LabVerb.Create().Options, o => Assert.Contains($"#   {o.Name} ", script));
        Assert.Contains("#   --vm ", script);
    }

    [Theory]
    [InlineData("serve")]
    [InlineData("release")]
    public async Task A_folder_that_is_named_and_not_there_is_not_made(string verb)
    {
        string folder = Path.Combine(Path.GetTempPath(), $"pcpu-typo-{Guid.NewGuid():N}");

        Assert.Equal((1, "", $"pcpu-ipsec: --tunnels = '{folder}' is not there; allowed is a folder that is{Environment.NewLine}"), await RunAsync($"{verb} --tunnels {folder}"));

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task What_the_daemon_is_started_with_is_refused_by_the_name_of_its_option()
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-serve-").FullName;
        try
        {
            (int exit, _, string error) = await RunAsync($"serve --tunnels {folder} --socket {folder}/s.sock --cpus 8191");

            Assert.Equal(1, exit);
            Assert.StartsWith("pcpu-ipsec: --cpus: CPU 8191 is not online; online are ", error, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<(int Exit, string Output, string Error)> RunAsync(string line)
    {
        using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
        int exit = await PcpuIpsec.Host.Program.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries), output, error);
        return (exit, output.ToString(), error.ToString());
    }
}
