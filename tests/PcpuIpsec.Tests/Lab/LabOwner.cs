using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Lab;

/// <summary>A process that owns a lab until it is killed, for the tests of what is left then.</summary>
internal static class LabOwner
{
    public const string Verb = "own-lab";

    /// <summary>Builds a lab with a process in it, writes "identifier pid", and sleeps.</summary>
    public static async Task<int> RunAsync(string folder)
    {
        await using LabNetwork lab = await LabNetwork.CreateAsync(new LabOptions { StateFolder = folder }, CancellationToken.None);
        await using LabProcess inside = lab.West.Start(new LabCommand("sleep", "600"));
        Console.WriteLine($"{lab.Id} {inside.Pid}");
        await Task.Delay(TimeSpan.FromMinutes(2));
        return 0;
    }
}
