using Microsoft.Extensions.Logging;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>Turns what the protocol and the edge report into log lines, events and measurements.</summary>
internal sealed class NoticeReporter(ILogger log, EventHub events, GatewayMeter meter)
{
    public void Report(IkeNotice notice)
    {
        string tunnel = notice.Connection;
        switch (notice)
        {
            case ExchangeAnswered n:
                meter.Record(n);
                break;
            case HandshakeDone n:
                meter.Record(n);
                break;
            case IkeStep n:
                GatewayLog.IkeStep(log, tunnel, n.Text);
                break;
            case IkeSaEstablished n:
                GatewayLog.IkeSaEstablished(log, tunnel, n.InitiatorSpi, n.ResponderSpi, n.IsInitiator ? "initiator" : "responder", n.Local, n.Remote, SuiteText.Of(n.Suite), Agreed(n), n.PeerWindow);
                Publish(GatewayEventKind.IkeSaEstablished, tunnel, $"IKE SA with {n.Remote} established, {SuiteText.Of(n.Suite)}, one Child SA per CPU {Agreed(n)}");
                break;
            case IkeSaRekeyed n:
                GatewayLog.IkeSaRekeyed(log, tunnel, n.InitiatorSpi, n.ResponderSpi);
                Publish(GatewayEventKind.IkeSaRekeyed, tunnel, "IKE SA rekeyed");
                break;
            case IkeSaRekeyFailed n:
                GatewayLog.IkeSaRekeyFailed(log, tunnel, n.Error, n.Reason);
                Publish(GatewayEventKind.Warning, tunnel, n.Reason, error: n.Error);
                break;
            case PeerSlow n:
                GatewayLog.PeerSlow(log, tunnel, n.Remote, n.Exchange, n.Waited.TotalSeconds, n.GiveUp.TotalSeconds);
                break;
            case PeerAnswered:
                GatewayLog.PeerAnswered(log, tunnel);
                break;
            case IkeSaClosed { Error: { } error } n:
                GatewayLog.IkeSaLost(log, tunnel, n.InitiatorSpi, n.ResponderSpi, error, n.Reason);
                Publish(GatewayEventKind.IkeSaClosed, tunnel, $"IKE SA lost: {n.Reason}", error: error);
                break;
            case IkeSaClosed n:
                GatewayLog.IkeSaClosed(log, tunnel, n.InitiatorSpi, n.ResponderSpi, n.Reason);
                Publish(GatewayEventKind.IkeSaClosed, tunnel, $"IKE SA closed: {n.Reason}");
                break;
            case IkeSaFailed n:
                GatewayLog.IkeSaFailed(log, tunnel, n.Error, n.Reason);
                Publish(GatewayEventKind.IkeSaFailed, tunnel, $"no IKE SA: {n.Reason}", error: n.Error);
                break;
            case ChildSaEstablished n:
                GatewayLog.ChildSaEstablished(log, tunnel, n.Child.Number, Use(n.Child), n.Child.InboundSpi, n.Child.OutboundSpi, SuiteText.Of(n.Child.Suite), Text(n.Child.LocalSelectors), Text(n.Child.RemoteSelectors));
                Publish(GatewayEventKind.ChildSaEstablished, tunnel, $"Child SA {n.Child.Number} established, {Use(n.Child)}", n.Child);
                break;
            case ChildSaRekeyed n:
                GatewayLog.ChildSaRekeyed(log, tunnel, n.Child.Number, Use(n.Child), n.Child.InboundSpi, n.Child.OutboundSpi);
                Publish(GatewayEventKind.ChildSaRekeyed, tunnel, $"Child SA {n.Child.Number} rekeyed, {Use(n.Child)}", n.Child);
                break;
            case ChildSaChanged n:
                GatewayLog.ChildSaChanged(log, tunnel, n.Child.Number, Use(n.Child), n.Child.InboundSpi, n.Child.OutboundSpi);
                Publish(GatewayEventKind.ChildSaChanged, tunnel, $"Child SA {n.Child.Number} changed, {Use(n.Child)}", n.Child);
                break;
            case ChildSaClosed n:
                GatewayLog.ChildSaClosed(log, tunnel, n.Child.Number, n.Child.InboundSpi, n.Child.OutboundSpi, n.Reason);
                Publish(GatewayEventKind.ChildSaClosed, tunnel, $"Child SA {n.Child.Number} closed: {n.Reason}", n.Child);
                break;
            case ChildSaFailed n:
                GatewayLog.ChildSaFailed(log, tunnel, Use(n.Cpu), n.Error, n.Reason);
                Publish(GatewayEventKind.ChildSaFailed, tunnel, $"no Child SA for {Use(n.Cpu)}: {n.Reason}", error: n.Error);
                break;
            default:
                GatewayLog.IkeStep(log, tunnel, notice.GetType().Name);
                break;
        }
    }

    public void Publish(GatewayEventKind kind, string tunnel, string message, ChildSaInfo? child = null, PcpuIpsecError? error = null)
        => events.Publish(new GatewayEvent
        {
            Time = DateTimeOffset.UtcNow,
            Kind = kind,
            Tunnel = tunnel,
            Message = message,
            ChildSa = child is null ? null : StatusBuilder.ChildSa(child, inbound: null, outbound: null),
            Error = error,
        });

    private static string Agreed(IkeSaEstablished n) => n.PerResource ? "agreed" : "not agreed";

    private static string Use(ChildSaInfo child)
        => child.IsFallback ? "fallback"
            : child.Cpu is { } cpu ? $"CPU {cpu}"
            : child.OutboundInstalled ? "no CPU" : "inbound only";

    private static string Use(int? cpu) => cpu is { } number ? $"CPU {number}" : "the tunnel";

    private static string Text(IReadOnlyList<TrafficSelector> selectors) => string.Join(", ", selectors);
}
