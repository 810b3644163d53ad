using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike;

/// <summary>
/// Ends one exchange, and nothing else: caught where the exchange was begun. <see cref="Notify"/> is what the peer sent,
/// or what a responder answers.
/// </summary>
internal sealed class ExchangeFailure(PcpuIpsecError error, string reason, NotifyType? notify = null, byte[]? data = null) : Exception(reason)
{
    public PcpuIpsecError Error { get; } = error;

    public NotifyType? Notify { get; } = notify;

    /// <summary>The notify's data where we answer one that has any (INVALID_KE_PAYLOAD: the group).</summary>
    public byte[] NotifyData { get; } = data ?? [];
}
