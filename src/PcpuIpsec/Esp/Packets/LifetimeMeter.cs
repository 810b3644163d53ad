using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp.Packets;

/// <summary>The limits that an SA reached.</summary>
[Flags]
internal enum SaLimits
{
    None = 0,

    /// <summary>It should be replaced.</summary>
    Soft = 1,

    /// <summary>It carries nothing any more.</summary>
    Hard = 2,
}

/// <summary>Holds an SA to its lifetime (RFC 4301 §4.4.2.1). Counted by the workers, asked by another thread.</summary>
internal sealed class LifetimeMeter
{
    private readonly SaLifetime _lifetime;
    private readonly ulong _softPackets;
    private readonly ulong _hardPackets;
    private readonly ulong _softBytes;
    private readonly ulong _hardBytes;
    private int _reached;
    private int _taken;

    /// <param name="lifetime">The limits.</param>
    /// <param name="softPackets">A soft limit in packets that holds besides; the smaller one counts.</param>
    public LifetimeMeter(SaLifetime lifetime, ulong softPackets = ulong.MaxValue)
    {
        _lifetime = lifetime;
        _softPackets = Math.Min(lifetime.SoftPackets ?? ulong.MaxValue, softPackets);
        _hardPackets = lifetime.HardPackets ?? ulong.MaxValue;
        _softBytes = lifetime.SoftBytes ?? ulong.MaxValue;
        _hardBytes = lifetime.HardBytes ?? ulong.MaxValue;
    }

    /// <summary>True where bytes have to be counted at all.</summary>
    public bool LimitsBytes => (_softBytes & _hardBytes) != ulong.MaxValue;

    /// <summary>True once a hard limit was reached.</summary>
    public bool Expired => (Volatile.Read(ref _reached) & (int)SaLimits.Hard) != 0;

    /// <summary>Takes the totals as they are with one more packet.</summary>
    /// <returns>False where that packet is one too many.</returns>
    public bool Count(ulong packets, ulong bytes)
    {
        if (packets >= _softPackets || bytes >= _softBytes)
            Reach(SaLimits.Soft);
        if (packets < _hardPackets && bytes < _hardBytes)
            return true;
        Reach(SaLimits.Hard);
        return packets <= _hardPackets && bytes <= _hardBytes;
    }

    /// <summary>Holds the SA to its limits in seconds.</summary>
    /// <param name="age">The time since it was installed.</param>
    public void Tick(TimeSpan age)
    {
        if (age >= _lifetime.SoftTime)
            Reach(SaLimits.Soft);
        if (age >= _lifetime.HardTime)
            Reach(SaLimits.Hard);
    }

    /// <summary>Marks a limit as reached.</summary>
    public void Reach(SaLimits limit)
    {
        if ((Volatile.Read(ref _reached) & (int)limit) == 0)
            Interlocked.Or(ref _reached, (int)limit);
    }

    /// <summary>The limits reached since the last call: each is told once. One thread asks.</summary>
    public SaLimits TakeReached()
    {
        int reached = Volatile.Read(ref _reached);
        int news = reached & ~_taken;
        _taken = reached;
        return (SaLimits)news;
    }
}
