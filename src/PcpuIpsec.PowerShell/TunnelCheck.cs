using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>Whether a CPU's traffic has a Child SA of its own.</summary>
public sealed record TunnelCheckResult
{
    /// <summary>The tunnel's name.</summary>
    public required string Tunnel { get; init; }

    /// <summary>The CPU; null for the tunnel as a whole and for its fallback.</summary>
    public int? Cpu { get; init; }

    /// <summary>How it is.</summary>
    public required CheckOutcome Outcome { get; init; }

    /// <summary>What was found.</summary>
    public required string Detail { get; init; }

    /// <summary>Packets that this side sent through it while it was looked at.</summary>
    public long PacketsOut { get; init; }

    /// <summary>Packets that the other end received through it while it was looked at; null where the other end was not asked.</summary>
    public long? PeerPacketsIn { get; init; }
}

/// <summary>Compares a tunnel at two moments, and with its other end. Pure.</summary>
internal static class TunnelCheck
{
    /// <param name="cpus">The CPUs of the data plane.</param>
    /// <param name="before">The tunnel.</param>
    /// <param name="after">The tunnel some time later.</param>
    /// <param name="peerBefore">Its other end; null where it cannot be asked.</param>
    /// <param name="peerAfter">Its other end some time later.</param>
    public static IEnumerable<TunnelCheckResult> Run(IReadOnlyList<int> cpus, Tunnel before, Tunnel after, Tunnel? peerBefore, Tunnel? peerAfter)
    {
        if (after.State != TunnelState.Up)
        {
            yield return new TunnelCheckResult { Tunnel = after.Name, Outcome = CheckOutcome.Failure, Detail = $"the tunnel is {after.State.ToString().ToLowerInvariant()}{(after.LastError is { } e ? $": {e}" : "")}" };
            yield break;
        }
        if (after.Definition.PerCpu is not { } perCpu)
        {
            yield return new TunnelCheckResult { Tunnel = after.Name, Outcome = CheckOutcome.Warning, Detail = "the tunnel is declared without perCpu: one Child SA serves every CPU" };
            yield break;
        }
        if (after.IkeSa is { PerResource: false })
            yield return new TunnelCheckResult { Tunnel = after.Name, Outcome = CheckOutcome.Failure, Detail = "the peer has no RFC 9611: one Child SA serves every CPU" };

        foreach (ChildSa fallback in after.ChildSas.Where(c => c.IsFallback))
        {
            long sent = Sent(before, fallback);
            yield return Result(fallback, sent, sent == 0 ? CheckOutcome.Pass : CheckOutcome.Warning, sent == 0 ? "the fallback sent nothing" : "the fallback sent: packets come from a CPU without a Child SA of its own");
        }
        foreach (int cpu in perCpu.Cpus ?? cpus)
        {
            if (after.ChildSas.FirstOrDefault(c => c.Cpu == cpu) is not { } own)
            {
                yield return new TunnelCheckResult
                {
                    Tunnel = after.Name,
                    Cpu = cpu,
                    Outcome = perCpu.OnDemand == true ? CheckOutcome.Pass : CheckOutcome.Failure,
                    Detail = perCpu.OnDemand == true ? "no Child SA yet: this CPU has not sent" : "this CPU has no Child SA of its own",
                };
                continue;
            }
            yield return own.OutboundInstalled ? Result(own, Sent(before, own), CheckOutcome.Pass, "this CPU has a Child SA of its own")
                : Result(own, 0, CheckOutcome.Failure, "this CPU's Child SA has no outbound half");
        }

        TunnelCheckResult Result(ChildSa child, long sent, CheckOutcome outcome, string detail)
        {
            ChildSa? other = peerAfter?.ChildSas.FirstOrDefault(c => c.InboundSpi == child.OutboundSpi);
            if (peerAfter is not null && other is null)
                (outcome, detail) = (CheckOutcome.Failure, $"the other end has no Child SA with the SPI {child.OutboundSpi}");
            return new TunnelCheckResult
            {
                Tunnel = after.Name,
                Cpu = child.Cpu,
                Outcome = outcome,
                Detail = detail,
                PacketsOut = sent,
                PeerPacketsIn = other is null ? null : other.PacketsIn - (peerBefore?.ChildSas.FirstOrDefault(c => c.InboundSpi == other.InboundSpi)?.PacketsIn ?? 0),
            };
        }
    }

    /// <summary>One that was rekeyed meanwhile counts from 0.</summary>
    private static long Sent(Tunnel before, ChildSa child)
        => child.PacketsOut - (before.ChildSas.FirstOrDefault(c => c.OutboundSpi == child.OutboundSpi)?.PacketsOut ?? 0);
}
