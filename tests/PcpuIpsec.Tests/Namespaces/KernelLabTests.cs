using System.Diagnostics;
using PcpuIpsec.Host.Experiment;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>The lab on the kernel data plane, on a kernel that may have no ESP.</summary>
[Collection("namespaces")]
public sealed class KernelLabTests
{
    [NamespaceFact("ip")]
    public async Task Without_ESP_the_lab_says_in_one_sentence_what_is_missing_and_makes_nothing()
    {
        try
        {
            // Where the kernel has it, there is nothing to explain.
            Assert.True(KernelSupport.Probe().Direction, "XFRMA_SA_DIR is there from 6.10 on");
            return;
        }
        catch (PcpuIpsecException e)
        {
            Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        }
        string output = Path.Combine(Path.GetTempPath(), $"pcpu-lab-{Guid.NewGuid():n}");
        (string program, IReadOnlyList<string> arguments) = HostProgram.Command("lab", "--data-plane", "kernel", "--seconds", "1", "--out", output);
        using Process lab = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        Task<string> error = lab.StandardError.ReadToEndAsync();
        // Not even the step that makes the namespaces was begun.
        Assert.Equal("", await lab.StandardOutput.ReadToEndAsync());
        Assert.True(lab.WaitForExit(TimeSpan.FromSeconds(30)));

        Assert.Equal(1, lab.ExitCode);
        string sentence = Assert.Single((await error).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("pcpu-ipsec: The kernel data plane cannot be had: Linux ", sentence);
        Assert.Contains("no ESP", sentence);
        Assert.EndsWith(".", sentence);
        Assert.DoesNotContain(". ", sentence);
        Assert.False(Directory.Exists(output));
    }
}
