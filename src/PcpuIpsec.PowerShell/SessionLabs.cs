using System.Text.Json;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>The labs of this session.</summary>
internal static class SessionLabs
{
    private static readonly TimeSpan _readyTimeout = TimeSpan.FromSeconds(120);
    private static readonly Lock _lock = new();
    private static readonly Dictionary<string, (Lab Lab, SessionProgram Program)> _labs = new(StringComparer.Ordinal);

    public static IReadOnlyList<Lab> All
    {
        get
        {
            lock (_lock)
                return [.. _labs.Values.Select(l => l.Lab)];
        }
    }

    public static async Task<Lab> NewAsync(string dataPlane, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_readyTimeout);
        var program = new SessionProgram("A lab of network namespaces", ["lab-hosts", "--data-plane", dataPlane]);
        try
        {
            string line = await program.ReadLineAsync(limit.Token).ConfigureAwait(false)
                ?? throw new DaemonException("host-unable", $"The lab could not be made: {program.Said}");
            Lab lab = JsonSerializer.Deserialize(line, WireJson.Default.Lab)!;
            lock (_lock)
                _labs.Add(lab.Id, (lab, program));
            return lab;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            program.Dispose();
            throw new DaemonException("host-unable", $"The lab was not ready within {_readyTimeout.TotalSeconds:0} s.");
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }

    /// <summary>Takes a lab down; false where this session has none by that name.</summary>
    public static bool Remove(string id)
    {
        (Lab Lab, SessionProgram Program) lab;
        lock (_lock)
        {
            if (!_labs.Remove(id, out lab))
                return false;
        }
        lab.Program.Dispose();
        return true;
    }

    public static void RemoveAll()
    {
        foreach (Lab lab in All)
            Remove(lab.Id);
    }
}
