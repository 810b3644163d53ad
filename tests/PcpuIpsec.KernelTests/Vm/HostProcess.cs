using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>A program on the host itself, with the care of the lab's: it dies with us.</summary>
internal static class HostProcess
{
    /// <summary>The child's own namespace: nsenter enters where it is already.</summary>
    private const string OwnNamespace = "/proc/self/ns/net";

    public static LabProcess Start(LabCommand command) => LabProcess.Start(OwnNamespace, command);

    /// <summary>Runs a program to its end; it is killed at the limit.</summary>
    /// <param name="command">The program.</param>
    /// <param name="limit">When it is killed.</param>
    /// <param name="cancellationToken">Kills it, too.</param>
    /// <param name="name">What a failure calls it; default is the command.</param>
    /// <exception cref="PcpuIpsecException">The limit was reached.</exception>
    public static async Task<CommandResult> RunAsync(LabCommand command, TimeSpan limit, CancellationToken cancellationToken, string? name = null)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(limit);
        await using LabProcess process = Start(command);
        process.Input.Close();
        try
        {
            return await process.WaitAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{name ?? $"'{command}'"} took longer than {limit.TotalSeconds:F0} s and was killed.");
        }
    }
}
