namespace PcpuIpsec;

/// <summary>Why an operation of the library failed; stable, so that callers can switch on it.</summary>
public enum PcpuIpsecError
{
    /// <summary>An option is out of range or contradicts another; the message names the field, the value and what is allowed.</summary>
    InvalidOption,

    /// <summary>The host lacks something that is needed: a capability, a device, a kernel feature, a program.</summary>
    HostUnable,

    /// <summary>The peer did not answer within the time that retransmission allows.</summary>
    PeerSilent,

    /// <summary>The peer could not be authenticated, or refused our authentication (RFC 7296 §2.21.2).</summary>
    AuthenticationFailed,

    /// <summary>No proposal was acceptable to both ends (RFC 7296 §2.7).</summary>
    NoProposalChosen,

    /// <summary>The traffic selectors of the ends do not intersect (RFC 7296 §2.9).</summary>
    TrafficSelectorsUnacceptable,

    /// <summary>The peer answered in a way that the protocol does not allow.</summary>
    ProtocolViolation,

    /// <summary>A cryptographic operation failed or an algorithm is not available.</summary>
    CryptoFailure,

    /// <summary>The kernel refused a request; the message carries its errno and text.</summary>
    KernelRefused,

    /// <summary>The operation was given up because its tunnel or gateway went away.</summary>
    Aborted,
}

/// <summary>The one exception that the library throws for expected failures.</summary>
public class PcpuIpsecException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">The reason.</param>
    /// <param name="message">What was wrong, with the offending value, and what would be right. Never key material.</param>
    /// <param name="innerException">The cause, if another exception was.</param>
    public PcpuIpsecException(PcpuIpsecError error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>The reason, for callers that switch on it.</summary>
    public PcpuIpsecError Error { get; }
}
