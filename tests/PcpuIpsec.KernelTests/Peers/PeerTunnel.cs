using System.Diagnostics;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>Who does something: our gateway, or the peer.</summary>
public enum End
{
    Us,
    Peer,
}

/// <summary>One tunnel between our gateway and strongSwan, and what has to hold whenever it has come to rest.</summary>
internal sealed class PeerTunnel(PeerLab lab, IpsecGateway gateway, int logged, Action<string> say) : IAsyncDisposable
{
    public const string Name = "lab";

    // Emulated CPUs, and back-offs of some seconds on both sides.
    private static readonly TimeSpan _settleTimeout = TimeSpan.FromSeconds(40);

    public IpsecGateway Gateway => gateway;

    public StrongSwan Peer => lab.Peer;

    /// <summary>What the peer logged since this tunnel was configured.</summary>
    public StrongSwanLog PeerLog => lab.Peer.Log.Since(logged);

    /// <summary>One end initiates; waits for the first Child SA.</summary>
    public async Task ConnectAsync(End initiator)
    {
        using var timeout = new CancellationTokenSource(_settleTimeout);
        if (initiator == End.Us)
            await gateway.ConnectAsync(Name, timeout.Token);
        else
            await PeerInitiatesAsync();
        // The peer's swanctl returns when it has the answer; our installation may take a moment longer.
        await UntilAsync(async () => (await StatusAsync()).ChildSas.Any(c => c.IsFallback) ? null : "we have no fallback");
    }

    /// <summary>It refuses where ours was faster, a packet having asked for the tunnel.</summary>
    private async Task PeerInitiatesAsync()
    {
        try
        {
            await Peer.InitiateAsync();
        }
        catch (InvalidOperationException) when (PeerLog.Contains("due to existing duplicate"))
        {
            say("the peer had the Child SA from us already");
        }
    }

    /// <summary>Waits until each of our CPUs has a Child SA of its own.</summary>
    public Task PerCpuSasAsync() => UntilAsync(async () =>
    {
        int[] missing = [.. lab.Cpus.Except((await StatusAsync()).ChildSas.Where(c => c.Cpu is not null && c.OutboundInstalled).Select(c => c.Cpu!.Value))];
        return missing.Length == 0 ? null : $"these CPUs have no Child SA of their own: {string.Join(", ", missing)}";
    });

    public async Task<TunnelStatus> StatusAsync() => Assert.Single((await gateway.GetStatusAsync()).Tunnels);

    public async Task<ChildSaStatus> OurFallbackAsync() => Assert.Single((await StatusAsync()).ChildSas, c => c.IsFallback);

    /// <summary>The Child SA of the first CPU.</summary>
    public async Task<ChildSaStatus> OurPerCpuSaAsync() => (await StatusAsync()).ChildSas.Where(c => c.Cpu is not null).MinBy(c => c.Cpu)!;

    /// <summary>The peer's view of one of our Child SAs.</summary>
    public async Task<PeerChildSa> AtPeerAsync(ChildSaStatus ours)
        => Assert.Single((await Peer.ListAsync()).SelectMany(s => s.Children), c => c.InboundSpi == ours.OutboundSpi && c.OutboundSpi == ours.InboundSpi);

    /// <summary>
    /// What has to hold after everything: both ends list the same SAs, packets of every CPU pass without loss in both
    /// directions, and the peer understood all that we said.
    /// </summary>
    /// <param name="complaints">What the peer is to complain about, where that is the point of the test.</param>
    public async Task AssertWellAsync(string? complaints = null)
    {
        await AgreeAsync();
        await PassAsync();
        await AgreeAsync();
        Assert.DoesNotContain(PeerLog.Warnings, w => complaints is null || !w.Contains(complaints, StringComparison.Ordinal));
    }

    /// <summary>Waits until the SAs that one end has are those that the other has.</summary>
    public Task AgreeAsync() => UntilAsync(async () =>
    {
        TunnelStatus ours = await StatusAsync();
        IReadOnlyList<PeerIkeSa> theirs = await Peer.ListAsync();
        if (ours.IkeSa is not { } ike)
            return "we have no IKE SA";
        if (theirs.Count != 1 || theirs[0].State != "ESTABLISHED" || theirs[0].InitiatorSpi != ike.InitiatorSpi || theirs[0].ResponderSpi != ike.ResponderSpi)
            return $"our IKE SA is {ike.InitiatorSpi:x16}-{ike.ResponderSpi:x16}, the peer's: {string.Join(", ", theirs.Select(t => $"{t.InitiatorSpi:x16}-{t.ResponderSpi:x16} {t.State}"))}";
        string our = Sorted(ours.ChildSas.Select(c => $"{c.OutboundSpi:x8}-{c.InboundSpi:x8}"));
        string their = Sorted(theirs[0].Children.Where(c => c.IsInstalled).Select(c => $"{c.InboundSpi:x8}-{c.OutboundSpi:x8}"));
        return our == their ? null : $"our Child SAs are {our}, the peer's {their}";
    });

    /// <summary>Pings from behind both ends, from every CPU. The first rounds may lose what the peer's own acquires cost it; then none may.</summary>
    public async Task PassAsync()
    {
        await UntilAsync(async () =>
        {
            await lab.PingAsync(lab.TheirClient, lab.OurClient.Address, 3);
            return await LostAsync(3);
        });
        if (await LostAsync(10) is { } lost)
            Assert.Fail(lost);
    }

    private async Task<string?> LostAsync(int count)
    {
        IReadOnlyDictionary<int, int> there = await lab.PingAsync(lab.OurClient, lab.TheirClient.Address, count);
        IReadOnlyDictionary<int, int> back = await lab.PingAsync(lab.TheirClient, lab.OurClient.Address, count);
        return there.Values.Concat(back.Values).All(l => l == 0)
            ? null
            : $"of {count} pings from each CPU were lost from our side {Text(there)} and from the peer's {Text(back)}";

        static string Text(IReadOnlyDictionary<int, int> lost) => string.Join(", ", lost.OrderBy(l => l.Key).Select(l => $"CPU {l.Key}: {l.Value}"));
    }

    /// <summary>Waits for what <paramref name="whatIsMissing"/> no longer misses.</summary>
    public static async Task UntilAsync(Func<Task<string?>> whatIsMissing)
    {
        long began = Stopwatch.GetTimestamp();
        while (await whatIsMissing() is { } missing)
        {
            if (Stopwatch.GetElapsedTime(began) > _settleTimeout)
                Assert.Fail($"After {_settleTimeout.TotalSeconds:0} s {missing}.");
            await Task.Delay(100);
        }
    }

    /// <summary>Ends the tunnel at both ends, so that the next one starts from nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        GatewayStatus status = await gateway.GetStatusAsync();
        say($"our drops: {string.Join(", ", status.DropCounters.Where(d => d.Value > 0).Select(d => $"{d.Key} {d.Value}"))}");
        // Where a packet was lost: one end's "out" is the other's "in".
        foreach (ChildSaStatus c in status.Tunnels.SelectMany(t => t.ChildSas))
            say($"our {c.OutboundSpi:x8}-{c.InboundSpi:x8} CPU {c.Cpu}: out {c.PacketsOut}, in {c.PacketsIn}, replayed {c.ReplayDrops}, forged {c.IntegrityDrops}, other drops {c.OtherDrops}");
        foreach (PeerChildSa c in (await Peer.ListAsync()).SelectMany(s => s.Children))
            say($"the peer's {c.InboundSpi:x8}-{c.OutboundSpi:x8} CPU {c.Cpu} {c.State}: in {c.PacketsIn}, out {c.PacketsOut}");
        say("the peer's log:\n" + PeerLog.Text);
        if (lab.Plane == DataPlaneKind.Kernel)
        {
            say(PeerKernel.Describe(lab.Ours));
            say(PeerKernel.Describe(lab.Theirs));
        }
        await gateway.RemoveTunnelAsync(Name);
        await gateway.DisposeAsync();
        await Peer.UnloadAsync();
        await Peer.DeleteAllAsync();
        Peer.EmptyKernel();
    }

    private static string Sorted(IEnumerable<string> spis) => string.Join(" ", spis.Order(StringComparer.Ordinal));
}
