namespace PcpuIpsec.Client;

/// <summary>A daemon refused or could not do what was asked of it, or none answers.</summary>
public sealed class DaemonException : Exception
{
    /// <summary>Creates the exception.</summary>
    /// <param name="error">The kind of failure.</param>
    /// <param name="message">What was wrong, and what would be right.</param>
    /// <param name="innerException">The cause, if another exception was.</param>
    public DaemonException(string error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>
    /// The kind of failure, stable: <c>invalid-option</c>, <c>not-found</c>, <c>conflict</c>, <c>forbidden</c>, <c>host-unable</c>,
    /// <c>peer-silent</c>, <c>authentication-failed</c>, <c>no-proposal-chosen</c>, <c>traffic-selectors-unacceptable</c>,
    /// <c>protocol-violation</c>, <c>crypto-failure</c>, <c>kernel-refused</c>, <c>aborted</c>; of the client's own:
    /// <see cref="Unreachable"/>, <see cref="OtherApi"/>.
    /// </summary>
    public string Error { get; }

    /// <summary>No daemon answers at the socket.</summary>
    public const string Unreachable = "unreachable";

    internal const string InvalidOption = "invalid-option", ProtocolViolation = "protocol-violation";

    /// <summary>The daemon speaks another version of the API.</summary>
    public const string OtherApi = "other-api";
}
