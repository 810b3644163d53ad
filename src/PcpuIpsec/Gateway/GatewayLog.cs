using System.Net;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Gateway;

/// <summary>
/// What the gateway logs, each with an event id that stays: 1xx the gateway, 2xx IKE SAs, 3xx Child SAs, 4xx the edge.
/// No message takes anything that holds key material.
/// </summary>
internal static partial class GatewayLog
{
    [LoggerMessage(100, LogLevel.Information, "Gateway started on CPUs {Cpus}; data plane {DataPlane}: {Reason}")]
    public static partial void Started(ILogger log, string cpus, string dataPlane, string reason);

    [LoggerMessage(101, LogLevel.Information, "Gateway stopped; {Held}")]
    public static partial void Stopped(ILogger log, string held);

    [LoggerMessage(102, LogLevel.Information, "{Tunnel}: added between {Local} and {Remote}; its traffic is held")]
    public static partial void TunnelAdded(ILogger log, string tunnel, IPAddress local, IPAddress remote);

    [LoggerMessage(103, LogLevel.Information, "{Tunnel}: removed; its traffic is no longer protected")]
    public static partial void TunnelRemoved(ILogger log, string tunnel);

    [LoggerMessage(104, LogLevel.Warning, "{Tunnel}: {Warning}")]
    public static partial void TunnelWarning(ILogger log, string tunnel, string warning);

    [LoggerMessage(105, LogLevel.Warning, "{Tunnel}: the peer did not confirm the end within {Wait}; our SAs are removed without it")]
    public static partial void CloseUnconfirmed(ILogger log, string tunnel, TimeSpan wait);

    [LoggerMessage(106, LogLevel.Information, "{Tunnel}: initiated again in {Wait}")]
    public static partial void RetryScheduled(ILogger log, string tunnel, TimeSpan wait);

    [LoggerMessage(107, LogLevel.Information, "CPU {Cpu} is {State}")]
    public static partial void CpuChanged(ILogger log, int cpu, string state);

    [LoggerMessage(200, LogLevel.Debug, "{Tunnel}: {Step}")]
    public static partial void IkeStep(ILogger log, string tunnel, string step);

    [LoggerMessage(201, LogLevel.Information, "{Tunnel}: IKE SA {InitiatorSpi:x16}-{ResponderSpi:x16} established as {Role} between {Local} and {Remote}, {Suite}, one Child SA per CPU {PerResource}, peer's window {PeerWindow}")]
    public static partial void IkeSaEstablished(ILogger log, string tunnel, ulong initiatorSpi, ulong responderSpi, string role, IPEndPoint local, IPEndPoint remote, string suite, string perResource, int peerWindow);

    [LoggerMessage(202, LogLevel.Information, "{Tunnel}: IKE SA rekeyed, now {InitiatorSpi:x16}-{ResponderSpi:x16}")]
    public static partial void IkeSaRekeyed(ILogger log, string tunnel, ulong initiatorSpi, ulong responderSpi);

    [LoggerMessage(203, LogLevel.Information, "{Tunnel}: IKE SA {InitiatorSpi:x16}-{ResponderSpi:x16} closed: {Reason}")]
    public static partial void IkeSaClosed(ILogger log, string tunnel, ulong initiatorSpi, ulong responderSpi, string reason);

    [LoggerMessage(204, LogLevel.Warning, "{Tunnel}: IKE SA {InitiatorSpi:x16}-{ResponderSpi:x16} lost ({Error}): {Reason}")]
    public static partial void IkeSaLost(ILogger log, string tunnel, ulong initiatorSpi, ulong responderSpi, PcpuIpsecError error, string reason);

    [LoggerMessage(205, LogLevel.Warning, "{Tunnel}: no IKE SA ({Error}): {Reason}")]
    public static partial void IkeSaFailed(ILogger log, string tunnel, PcpuIpsecError error, string reason);

    [LoggerMessage(206, LogLevel.Warning, "{Tunnel}: IKE SA not rekeyed ({Error}): {Reason}")]
    public static partial void IkeSaRekeyFailed(ILogger log, string tunnel, PcpuIpsecError error, string reason);

    [LoggerMessage(207, LogLevel.Debug, "{Tunnel}: the peer lives")]
    public static partial void PeerAnswered(ILogger log, string tunnel);

    [LoggerMessage(208, LogLevel.Information, "{Tunnel}: no answer from {Remote} to {Exchange} for {Wait:0.#} s; sent again until {Limit:0.#} s are over")]
    public static partial void PeerSlow(ILogger log, string tunnel, IPEndPoint remote, ExchangeType exchange, double wait, double limit);

    [LoggerMessage(300, LogLevel.Information, "{Tunnel}: Child SA {Number} established, {Use}, SPIs in {InboundSpi:x8} out {OutboundSpi:x8}, {Suite}, {Local} === {Remote}")]
    public static partial void ChildSaEstablished(ILogger log, string tunnel, int number, string use, uint inboundSpi, uint outboundSpi, string suite, string local, string remote);

    [LoggerMessage(301, LogLevel.Information, "{Tunnel}: Child SA {Number} changed, {Use}, SPIs in {InboundSpi:x8} out {OutboundSpi:x8}")]
    public static partial void ChildSaChanged(ILogger log, string tunnel, int number, string use, uint inboundSpi, uint outboundSpi);

    [LoggerMessage(302, LogLevel.Information, "{Tunnel}: Child SA {Number} closed, SPIs in {InboundSpi:x8} out {OutboundSpi:x8}: {Reason}")]
    public static partial void ChildSaClosed(ILogger log, string tunnel, int number, uint inboundSpi, uint outboundSpi, string reason);

    [LoggerMessage(303, LogLevel.Warning, "{Tunnel}: no Child SA for {Use} ({Error}): {Reason}")]
    public static partial void ChildSaFailed(ILogger log, string tunnel, string use, PcpuIpsecError error, string reason);

    [LoggerMessage(304, LogLevel.Information, "{Tunnel}: Child SA {Number} rekeyed, {Use}, SPIs in {InboundSpi:x8} out {OutboundSpi:x8}")]
    public static partial void ChildSaRekeyed(ILogger log, string tunnel, int number, string use, uint inboundSpi, uint outboundSpi);

    [LoggerMessage(400, LogLevel.Error, "An event could not be handled; the gateway goes on")]
    public static partial void Fault(ILogger log, Exception exception);

    [LoggerMessage(401, LogLevel.Debug, "Sending to {Remote} failed: {Reason}")]
    public static partial void SendFailed(ILogger log, IPEndPoint remote, string reason);

    [LoggerMessage(402, LogLevel.Warning, "Receiving at {Local} failed: {Reason}")]
    public static partial void ReceiveFailed(ILogger log, IPEndPoint local, string reason);

    [LoggerMessage(403, LogLevel.Warning, "No socket at {Local} to send to {Remote} from")]
    public static partial void NoSocket(ILogger log, IPEndPoint local, IPEndPoint remote);

    [LoggerMessage(404, LogLevel.Warning, "{Effect} failed: {Reason}")]
    public static partial void EffectFailed(ILogger log, string effect, string reason);

    [LoggerMessage(405, LogLevel.Information, "The peer of inbound SPI {Spi:x8} now sends from {Remote}")]
    public static partial void PeerMapped(ILogger log, uint spi, IPEndPoint remote);

    [LoggerMessage(406, LogLevel.Critical, "The data plane failed, protected traffic is held: {Reason}")]
    public static partial void PlaneFailed(ILogger log, string reason);

    [LoggerMessage(407, LogLevel.Warning, "{Tunnel}: the peer's identity is not {Expected}, or its AUTH is not by pre-shared key")]
    public static partial void WrongIdentity(ILogger log, string tunnel, string expected);

    [LoggerMessage(408, LogLevel.Warning, "The online CPUs cannot be read: {Reason}")]
    public static partial void CpuWatchFailed(ILogger log, string reason);
}
