using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Gateway;

/// <summary>
/// Does what the protocol wants done. Datagrams leave and AUTH is computed at once; key agreement runs on the thread pool;
/// SAs and SPIs go through the data plane's queue, so in the order of the effects. Each request is answered exactly once.
/// </summary>
/// <param name="plane">The data plane's queue.</param>
/// <param name="sockets">Where datagrams leave.</param>
/// <param name="tunnelOf">The tunnel of a name; null where it is unknown. Called on the loop.</param>
/// <param name="complete">Takes answers, from any thread; false where nobody listens any more.</param>
/// <param name="report">Takes notices, on the loop.</param>
/// <param name="log">The log.</param>
/// <param name="keys">Where keys are exported to, where that was asked for.</param>
internal sealed class EffectRunner(
    PlaneQueue plane,
    EdgeSockets sockets,
    Func<string, ValidatedTunnel?> tunnelOf,
    Func<IkeCompletion, bool> complete,
    Action<IkeNotice> report,
    ILogger log,
    KeyExport? keys)
{
    private static readonly TimeSpan _usageAgeAtMost = TimeSpan.FromSeconds(1);

    // On the plane's queue alone.
    private ILookup<string, SaUsage>? _usage;
    private long _usageReadAt;

    /// <summary>Does, or starts, one effect. Called on the loop.</summary>
    public void Run(IkeEffect effect)
    {
        switch (effect)
        {
            case SendDatagram e:
                sockets.Send(e.Local, e.Remote, e.Message);
                break;
            case Report e:
                report(e.Notice);
                break;
            case ExportIkeKeys e:
                keys?.Add(e);
                break;
            case GenerateKeyPair e:
                _ = AnswerAsync(e, Task.Run<IkeCompletion>(() => new KeyPairGenerated(e.Id, KeyExchanges.Generate(e.Method))));
                break;
            case DeriveSharedSecret e:
                _ = AnswerAsync(e, Task.Run<IkeCompletion>(() => new SharedSecretDerived(e.Id, e.KeyPair.Derive(e.PeerPublicValue))));
                break;
            case SignAuth e:
                Answer(Sign(e));
                break;
            case VerifyAuth e:
                Answer(new AuthVerified(e.Id, IsAuthentic(e)));
                break;
            case ReserveSpi e:
                _ = AnswerAsync(e, plane.CallAsync<IkeCompletion>(async p => new SpiReserved(e.Id, await p.ReserveSpiAsync(e.Connection, e.Cpu, e.Local, e.Remote, CancellationToken.None))));
                break;
            case InstallSa e:
                _ = AnswerAsync(e, InstallAsync(e));
                break;
            case UpdateSaRemote e:
                _ = AnswerAsync(e, plane.CallAsync<IkeCompletion>(async p =>
                {
                    await p.UpdateRemoteAsync(e.Direction, e.Spi, e.OldRemote, e.NewRemote, CancellationToken.None);
                    return new SaUpdated(e.Id);
                }));
                break;
            case ReadSaUsage e:
                _ = AnswerAsync(e, plane.CallAsync<IkeCompletion>(p => ValueTask.FromResult<IkeCompletion>(new SaUsageRead(e.Id, UsageOf(p, e.Connection)))));
                break;
            case AllowAcquires e:
                _ = ObserveAsync(e, plane.CallAsync(p => p.AllowAcquiresAsync(e.Connection, e.Allowed, CancellationToken.None)));
                break;
            case RemoveSa e:
                _ = ObserveAsync(e, plane.CallAsync(p => p.RemoveAsync(e.Connection, e.Direction, e.Spi, e.Destination, CancellationToken.None)));
                break;
            case ReleaseSpi e:
                _ = ObserveAsync(e, plane.CallAsync(p =>
                {
                    p.ReleaseSpi(e.Spi, e.Local);
                    return ValueTask.CompletedTask;
                }));
                break;
            case IkeRequest e:
                Answer(new RequestFailed(e.Id, $"{e.GetType().Name} is unknown to the gateway"));
                break;
        }
    }

    /// <summary>A connection's. A plane reads those of all at once, so what many ask for within a second is read once.</summary>
    private SaUsage[] UsageOf(IDataPlane from, string connection)
    {
        if (_usage is null || Stopwatch.GetElapsedTime(_usageReadAt) > _usageAgeAtMost)
        {
            _usage = from.ReadSaCounters().ToLookup(sa => sa.Connection, sa => new SaUsage(sa.Direction, sa.Spi, sa.Packets));
            _usageReadAt = Stopwatch.GetTimestamp();
        }
        return [.. _usage[connection]];
    }

    // The protocol may give an installation up and dispose its keys while it is queued: a copy keeps the data plane from
    // ever seeing keys that are being zeroed.
    private async Task<IkeCompletion> InstallAsync(InstallSa e)
    {
        using Secret encryption = Secret.CopyOf(e.Sa.EncryptionKey.Span), integrity = Secret.CopyOf(e.Sa.IntegrityKey.Span);
        SaInstallation sa = e.Sa with { EncryptionKey = encryption, IntegrityKey = integrity };
        keys?.Add(sa);
        await plane.CallAsync(p => p.InstallAsync(sa, CancellationToken.None));
        return new SaInstalled(e.Id);
    }

    private IkeCompletion Sign(SignAuth e)
        => tunnelOf(e.Connection) is { } tunnel
            ? new AuthSigned(e.Id, AuthMethod.Shared_Key_Message_Integrity_Code, PreSharedKey.Compute(e.Prf, tunnel.PreSharedKey, e.SignedOctets))
            : new RequestFailed(e.Id, $"there is no tunnel '{e.Connection}'");

    private bool IsAuthentic(VerifyAuth e)
    {
        if (tunnelOf(e.Connection) is not { } tunnel)
            return false;
        // The identity selects the key (RFC 7296 §2.15): an unknown one, or another tunnel's, has none here.
        if (e.Method != AuthMethod.Shared_Key_Message_Integrity_Code || !e.PeerIdentity.Equals(tunnel.Connection.RemoteId))
        {
            GatewayLog.WrongIdentity(log, e.Connection, tunnel.RemoteIdText);
            return false;
        }
        return PreSharedKey.Verify(e.Prf, tunnel.PreSharedKey, e.SignedOctets, e.Data);
    }

    private async Task AnswerAsync(IkeRequest request, Task<IkeCompletion> work)
    {
        IkeCompletion completion;
        try
        {
            completion = await work;
        }
        catch (Exception e)
        {
            // Whatever an effect fails by, the protocol must hear of it, or its exchange would wait for ever.
            GatewayLog.EffectFailed(log, request.GetType().Name, e.Message);
            completion = new RequestFailed(request.Id, e.Message);
        }
        Answer(completion);
    }

    private async Task ObserveAsync(IkeEffect effect, Task work)
    {
        try
        {
            await work;
        }
        catch (Exception e)
        {
            GatewayLog.EffectFailed(log, effect.GetType().Name, e.Message);
        }
    }

    private void Answer(IkeCompletion completion)
    {
        if (complete(completion))
            return;
        // The gateway has stopped: nobody else will dispose what the answer holds.
        switch (completion)
        {
            case KeyPairGenerated e:
                e.KeyPair.Dispose();
                break;
            case SharedSecretDerived e:
                e.Secret.Dispose();
                break;
        }
    }
}
