namespace PcpuIpsec.Esp.Packets;

/// <summary>Limits how often something is sent (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f); for one thread, which brings the time.</summary>
/// <param name="perSecond">How many in the long run.</param>
/// <param name="burst">How many at once.</param>
internal sealed class TokenBucket(int perSecond, int burst)
{
    /// <summary>In thousandths of a token.</summary>
    private long _tokens = burst * 1000L;
    private long _last = long.MinValue;

    /// <summary>Takes one token if there is one.</summary>
    /// <param name="nowMilliseconds">A clock that does not go back.</param>
    public bool TryTake(long nowMilliseconds)
    {
        if (_last != long.MinValue && nowMilliseconds > _last)
            _tokens = (long)Int128.Min(burst * 1000L, _tokens + (Int128)(nowMilliseconds - _last) * perSecond);
        _last = nowMilliseconds;
        if (_tokens < 1000)
            return false;
        _tokens -= 1000;
        return true;
    }
}
