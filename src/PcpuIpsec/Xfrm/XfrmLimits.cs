namespace PcpuIpsec.Xfrm;

/// <summary>Lifetime limits (struct xfrm_lifetime_cfg); null is none. Soft ones raise an event, hard ones end the thing.</summary>
internal sealed record XfrmLimits
{
    /// <summary>XFRM_INF for bytes and packets; times have 0 for none.</summary>
    private const ulong Infinite = ulong.MaxValue;

    public static XfrmLimits None { get; } = new();

    public ulong? SoftBytes { get; init; }
    public ulong? HardBytes { get; init; }
    public ulong? SoftPackets { get; init; }
    public ulong? HardPackets { get; init; }

    /// <summary>Since it was added; the kernel counts whole seconds.</summary>
    public TimeSpan? SoftTime { get; init; }

    public TimeSpan? HardTime { get; init; }

    /// <summary>Since it was first used.</summary>
    public TimeSpan? SoftUseTime { get; init; }

    public TimeSpan? HardUseTime { get; init; }

    internal void Write(ref XfrmLifetimeConfig limits)
    {
        limits.SoftByteLimit = SoftBytes ?? Infinite;
        limits.HardByteLimit = HardBytes ?? Infinite;
        limits.SoftPacketLimit = SoftPackets ?? Infinite;
        limits.HardPacketLimit = HardPackets ?? Infinite;
        limits.SoftAddExpiresSeconds = Seconds(SoftTime);
        limits.HardAddExpiresSeconds = Seconds(HardTime);
        limits.SoftUseExpiresSeconds = Seconds(SoftUseTime);
        limits.HardUseExpiresSeconds = Seconds(HardUseTime);
    }

    internal static XfrmLimits From(in XfrmLifetimeConfig limits)
    {
        var read = new XfrmLimits
        {
            SoftBytes = Amount(limits.SoftByteLimit),
            HardBytes = Amount(limits.HardByteLimit),
            SoftPackets = Amount(limits.SoftPacketLimit),
            HardPackets = Amount(limits.HardPacketLimit),
            SoftTime = Time(limits.SoftAddExpiresSeconds),
            HardTime = Time(limits.HardAddExpiresSeconds),
            SoftUseTime = Time(limits.SoftUseExpiresSeconds),
            HardUseTime = Time(limits.HardUseExpiresSeconds),
        };
        return read == None ? None : read;
    }

    /// <summary>Less than a second would be "none": it is rounded up.</summary>
    private static ulong Seconds(TimeSpan? time) => time is { } span ? (ulong)Math.Max(1, Math.Ceiling(span.TotalSeconds)) : 0;

    private static ulong? Amount(ulong value) => value == Infinite ? null : value;

    private static TimeSpan? Time(ulong seconds)
        => seconds == 0 ? null : seconds > (ulong)(TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerSecond) ? TimeSpan.MaxValue : TimeSpan.FromSeconds((long)seconds);
}

/// <summary>What has gone through (struct xfrm_lifetime_cur).</summary>
/// <param name="Bytes">Of the packets, as the kernel counts them.</param>
/// <param name="Packets">Their number.</param>
/// <param name="Added">When it was added.</param>
/// <param name="FirstUsed">When it was first used; null where it never was.</param>
internal readonly record struct XfrmCounters(ulong Bytes, ulong Packets, DateTimeOffset? Added, DateTimeOffset? FirstUsed)
{
    internal static XfrmCounters From(in XfrmLifetimeCurrent current)
        => new(current.Bytes, current.Packets, XfrmTime.From(current.AddTime), XfrmTime.From(current.UseTime));
}

/// <summary>The kernel's seconds since 1970.</summary>
internal static class XfrmTime
{
    /// <summary>Null for 0, which is "never", and for what no calendar holds.</summary>
    public static DateTimeOffset? From(ulong seconds)
        => seconds is 0 || seconds > (ulong)DateTimeOffset.MaxValue.ToUnixTimeSeconds() ? null : DateTimeOffset.FromUnixTimeSeconds((long)seconds);
}
