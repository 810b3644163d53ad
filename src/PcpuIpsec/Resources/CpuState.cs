using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>One of our CPUs as its group sees it.</summary>
internal sealed class CpuState(int number)
{
    public int Number { get; } = number;
    public bool Online { get; set; } = true;

    /// <summary>Its own outbound SA.</summary>
    public GroupChild? Outbound { get; set; }

    /// <summary>When our request for it was asked for that is not answered yet.</summary>
    public TimeSpan? PendingSince { get; set; }

    /// <summary>A Child SA of which a rekey under way moves the outbound half here.</summary>
    public GroupChild? Incoming { get; set; }

    /// <summary>Places reserved here for Child SAs that the peer asks for.</summary>
    public int Reserved { get; set; }

    /// <summary>It raised an acquire that is not satisfied, with these selectors.</summary>
    public bool Wanted { get; set; }
    public TrafficSelector? TriggerLocal { get; set; }
    public TrafficSelector? TriggerRemote { get; set; }

    /// <summary>No request for it before this time.</summary>
    public TimeSpan NotBefore { get; set; }

    /// <summary>Refusals in a row.</summary>
    public int Failures { get; set; }

    /// <summary>Times in a row that its Child SA went away while it was young.</summary>
    public int Losses { get; set; }

    /// <summary>Times in a row that it went offline soon after the time before.</summary>
    public int Flaps { get; set; }
    public TimeSpan? WentOffline { get; set; }

    /// <summary>Its Child SA went because nobody used it: none is asked for until it is needed.</summary>
    public bool IsIdle { get; set; }

    /// <summary>Its Child SA was asked for because the fallback carried packets.</summary>
    public bool Returned { get; set; }

    /// <summary>Times in a row that one that returned was not sent with.</summary>
    public int VainReturns { get; set; }
    public TimeSpan ReturnNotBefore { get; set; }
    public TimeSpan LastSent { get; set; }

    /// <summary>It sends with an SA of another CPU and nothing is under way that changes it.</summary>
    public bool IsMissing => Online && Outbound is null && PendingSince is null && Incoming is null && Reserved == 0;

    public void Want(TrafficSelector? local, TrafficSelector? remote)
    {
        Wanted = true;
        IsIdle = false;
        TriggerLocal = local;
        TriggerRemote = remote;
    }

    public void Unwant()
    {
        Wanted = false;
        TriggerLocal = null;
        TriggerRemote = null;
    }

    /// <summary>Nothing of an earlier IKE SA counts.</summary>
    public void Reset()
    {
        Outbound = null;
        PendingSince = null;
        Incoming = null;
        Reserved = 0;
        NotBefore = default;
        Failures = 0;
        Losses = 0;
        VainReturns = 0;
        ReturnNotBefore = default;
        (IsIdle, Returned) = (false, false);
        Unwant();
    }
}
