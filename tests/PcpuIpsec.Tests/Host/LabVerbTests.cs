using System.CommandLine;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Ike;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Host;

public class LabVerbTests
{
    [Fact]
    public async Task Without_options_every_allowed_cpu_takes_part()
    {
        LabSettings settings = await RunAsync([0, 2, 3, 5]);

        Assert.Equal([0, 2, 3, 5], settings.Cpus);
        Assert.Equal(DataPlaneKind.Auto, settings.DataPlane);
        Assert.Equal(IpsecMode.Tunnel, settings.Mode);
        Assert.Equal(TrafficProtocol.Tcp, settings.Protocol);
        Assert.False(settings.Encapsulation);
        Assert.Equal((5, 1, "./lab-results"), (settings.Seconds, settings.Repeat, settings.OutputDirectory));
    }

    [Fact]
    public async Task Options_reach_the_settings()
    {
        LabSettings settings = await RunAsync([0, 2, 3, 5],
            "--cpus", "2", "--data-plane", "embedded", "--mode", "transport", "--encap", "--proto", "udp", "--seconds", "3", "--repeat", "4", "--out", "/tmp/x");

        Assert.Equal([0, 2], settings.Cpus);
        Assert.Equal(DataPlaneKind.Embedded, settings.DataPlane);
        Assert.Equal(IpsecMode.Transport, settings.Mode);
        Assert.Equal(TrafficProtocol.Udp, settings.Protocol);
        Assert.True(settings.Encapsulation);
        Assert.Equal((3, 4, "/tmp/x"), (settings.Seconds, settings.Repeat, settings.OutputDirectory));
    }

    [Theory]
    [InlineData("--cpus", "5", "--cpus = '5': allowed are 1 to 4 (the CPUs that are online here and that this process may use).")]
    [InlineData("--cpus", "0", "--cpus = '0': allowed are 1 to 4 (the CPUs that are online here and that this process may use).")]
    [InlineData("--cpus", "two", "--cpus = 'two': allowed are 1 to 4 (the CPUs that are online here and that this process may use).")]
    [InlineData("--mode", "beet", "--mode = 'beet': allowed are tunnel, transport.")]
    [InlineData("--data-plane", "xfrm", "--data-plane = 'xfrm': allowed are auto, kernel, embedded.")]
    [InlineData("--proto", "sctp", "--proto = 'sctp': allowed are tcp, udp.")]
    [InlineData("--seconds", "0", "--seconds = '0': allowed are 1 to 3600.")]
    [InlineData("--seconds", "99999999999", "--seconds = '99999999999': allowed are 1 to 3600.")]
    [InlineData("--repeat", "1.5", "--repeat = '1.5': allowed are 1 to 100.")]
    public void A_wrong_value_is_answered_with_the_option_the_value_and_what_is_allowed(string option, string value, string expected)
        => Assert.Equal([expected], Parse([0, 2, 3, 5], _ => Assert.Fail("It must not run."), option, value).Errors.Select(e => e.Message));

    [Theory]
    [InlineData(true, "2 of 2 checks passed.")]
    [InlineData(false, "1 of 2 checks passed.")]
    public void The_last_line_says_how_many_checks_passed(bool passed, string expected)
        => Assert.Equal(expected, LabReport.Verdict([new("one", true, ""), new("two", passed, "")]));

    [Theory]
    [InlineData(1, new[] { 1 })]
    [InlineData(2, new[] { 1, 2 })]
    [InlineData(8, new[] { 1, 2, 3, 4, 5, 6, 7, 8 })]
    [InlineData(12, new[] { 1, 2, 3, 4, 5, 6, 7, 8, 12 })]
    [InlineData(128, new[] { 1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 128 })]
    public async Task Flows_are_counted_up_to_eight_and_then_doubled(int cpus, int[] expected)
        => Assert.Equal(expected, (await RunAsync([.. Enumerable.Range(0, cpus)])).FlowCounts);

    private static ParseResult Parse(IReadOnlyList<int> cpus, Action<LabSettings> run, params string[] arguments)
    {
        var root = new RootCommand
        {
            LabVerb.Create(() => cpus, settings =>
            {
                run(settings);
                return Task.FromResult(0);
            }),
        };
        return root.Parse(["lab", .. arguments]);
    }

    private static async Task<LabSettings> RunAsync(int[] cpus, params string[] arguments)
    {
        LabSettings? seen = null;
        ParseResult result = Parse(cpus, s => seen = s, arguments);
        Assert.Empty(result.Errors);
        Assert.Equal(0, await result.InvokeAsync());
        return Assert.IsType<LabSettings>(seen);
    }
}
