namespace PcpuIpsec.Ike.Messages;

/// <summary>Why a message could not be read.</summary>
/// <param name="Answer">
/// What RFC 7296 wants answered, where the message was authentic (or an IKE_SA_INIT request); null where it is dropped without a word.
/// </param>
/// <param name="Text">For the log.</param>
/// <param name="Payload">The payload that was wrong; what UNSUPPORTED_CRITICAL_PAYLOAD reports.</param>
internal sealed record ParseError(NotifyType? Answer, string Text, PayloadType Payload = default)
{
    /// <summary>The integrity check failed: whoever sent it does not have the keys.</summary>
    public static readonly ParseError NotAuthentic = new(null, "the integrity check value is wrong", PayloadType.SK);
}
