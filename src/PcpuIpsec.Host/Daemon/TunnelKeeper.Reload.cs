using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>All that the folder declares now, or nothing of it.</summary>
internal sealed partial class TunnelKeeper
{
    /// <summary>Does what the folder declares now. Where something of it cannot be done, what was done before it is put back.</summary>
    public async Task<ReloadResult> ReloadAsync(CancellationToken cancellationToken)
    {
        ReloadResult? result = null;
        await ChangeAsync(
            async () =>
            {
                using Declarations read = Read();
                Declared[] removed = [.. _declared.Values.Where(d => read.Find(d.Name) is null)];
                Declared[] added = [.. read.All.Where(d => !_declared.ContainsKey(d.Name))];
                Declared[] updated = [.. read.All.Where(d => _declared.TryGetValue(d.Name, out Declared? known) && !known.IsSameAs(d))];
                Check([.. added, .. updated]);
                Declared[] before = [.. _declared.Values];
                try
                {
                    await ApplyAsync(StepsOf(removed, updated, added));
                }
                finally
                {
                    foreach (Declared inForce in read.All.Where(IsInForce).ToArray())
                        read.Take(inForce.Name);
                    foreach (Declared old in before.Where(d => !IsInForce(d)))
                        old.Dispose();
                }
                result = new ReloadResult
                {
                    Added = NamesOf(added),
                    Updated = NamesOf(updated),
                    Removed = NamesOf(removed),
                    Unchanged = [.. _declared.Keys.Except(NamesOf([.. added, .. updated]))],
                };
                return true;
            },
            cancellationToken);
        return result!;
    }

    private bool IsInForce(Declared declared) => _declared.GetValueOrDefault(declared.Name) == declared;

    private static string[] NamesOf(IReadOnlyList<Declared> tunnels) => [.. tunnels.Select(t => t.Name)];

    // A removal lets traffic go, which nothing puts back: it comes last, but where another tunnel takes that traffic over.
    private IEnumerable<ReloadStep> StepsOf(Declared[] removed, Declared[] updated, Declared[] added)
    {
        Declared[] first = [.. removed.Where(old => updated.Concat(added).Any(old.Shares))];
        return [.. first.Select(Removal), .. updated.Select(Update), .. added.Select(Addition), .. removed.Except(first).Select(Removal)];
    }

    private ReloadStep Removal(Declared old) => new(
        old.Name,
        $"tunnel '{old.Name}' could not be removed",
        $"'{old.Name}' is removed and its traffic not protected",
        async () =>
        {
            await Gateway.RemoveTunnelAsync(old.Name, CancellationToken.None);
            Set(old.Name, null);
        },
        async () =>
        {
            await Gateway.AddTunnelAsync(old.Options, CancellationToken.None);
            Set(old.Name, old);
        },
        // One that is closed and could not be released is held; this has it negotiated anew.
        () => Gateway.ReplaceTunnelAsync(old.Options, CancellationToken.None));

    private ReloadStep Update(Declared fresh)
    {
        Declared old = _declared[fresh.Name];
        return new(
            fresh.Name,
            $"tunnel '{fresh.Name}' could not be updated",
            $"'{fresh.Name}' is as its file says now",
            async () =>
            {
                await Gateway.ReplaceTunnelAsync(fresh.Options, CancellationToken.None);
                Set(fresh.Name, fresh);
            },
            async () =>
            {
                await Gateway.ReplaceTunnelAsync(old.Options, CancellationToken.None);
                Set(fresh.Name, old);
            });
    }

    private ReloadStep Addition(Declared fresh) => new(
        fresh.Name,
        $"tunnel '{fresh.Name}' could not be added",
        $"'{fresh.Name}' is added",
        async () =>
        {
            await Gateway.AddTunnelAsync(fresh.Options, CancellationToken.None);
            Set(fresh.Name, fresh);
        },
        async () =>
        {
            await Gateway.RemoveTunnelAsync(fresh.Name, CancellationToken.None);
            Set(fresh.Name, null);
        });

    private static async Task ApplyAsync(IEnumerable<ReloadStep> steps)
    {
        var done = new Stack<ReloadStep>();
        foreach (ReloadStep step in steps)
        {
            try
            {
                await step.Do();
                done.Push(step);
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                if (step.Repair is { } repair)
                    done.Push(step with { Outcome = $"'{step.Name}' is stopped and its traffic held", Undo = repair });
                List<string> left = await UndoAsync(done);
                string outcome = left.Count == 0 ? "all is as it was before" : $"what was done before it could not all be put back: {string.Join("; ", left)}";
                throw new PcpuIpsecException((e as PcpuIpsecException)?.Error ?? PcpuIpsecError.HostUnable, $"Of the declared tunnels, {step.Failure}: {e.Message} — {outcome}.", e);
            }
        }
    }

    /// <summary>Takes steps back, the last first.</summary>
    /// <returns>What could not be, as it is now and why.</returns>
    private static async Task<List<string>> UndoAsync(Stack<ReloadStep> done)
    {
        List<string> left = [];
        while (done.TryPop(out ReloadStep? step))
        {
            try
            {
                await step.Undo();
            }
            catch (Exception e) when (e is not ObjectDisposedException)
            {
                left.Add($"{step.Outcome} ({e.Message})");
            }
        }
        return left;
    }

    private void Check(IReadOnlyList<Declared> tunnels)
    {
        List<string> faults = [];
        foreach (Declared tunnel in tunnels)
        {
            try
            {
                Gateway.CheckTunnel(tunnel.Options);
            }
            catch (PcpuIpsecException e)
            {
                faults.Add($"{folder.FileOf(tunnel.Name)}: {e.Message}");
            }
        }
        if (faults.Count > 0)
            throw TunnelFolder.Wrong(faults);
    }

    private sealed record ReloadStep(string Name, string Failure, string Outcome, Func<Task> Do, Func<Task> Undo, Func<Task>? Repair = null);
}
