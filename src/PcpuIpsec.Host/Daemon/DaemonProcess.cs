using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Client;
using PcpuIpsec.Gateway;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host.Daemon;

/// <summary>A daemon from its start to its end.</summary>
internal sealed class DaemonProcess(DaemonOptions options, ILoggerFactory loggers)
{
    private readonly ILogger _log = loggers.CreateLogger<DaemonProcess>();
    private readonly EventJournal _journal = new();
    private readonly CancellationTokenSource _planeFailed = new();

    /// <summary>How its gateway is made; tests have another.</summary>
    public Func<GatewayOptions, CancellationToken, Task<IpsecGateway>> StartGateway { get; init; } = IpsecGateway.StartAsync;

    /// <summary>Keeps other daemons from this network namespace; tests have several in one.</summary>
    public Func<IDisposable> TakeNamespace { get; init; } = NamespaceLock.Take;

    /// <summary>What is held here beside tunnels of these names; tests have others.</summary>
    public Func<IEnumerable<string>, IReadOnlyList<NamelessHold>> FindHolds { get; init; } = Holds.BesideThoseOf;

    /// <summary>Serves until SIGTERM or SIGINT, or until the data plane fails.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var folder = new TunnelFolder(options.TunnelsFolder, options.MakeTunnelsFolder);
        // Let go last: who comes after us finds nothing of ours, and we take nothing of his away.
        using IDisposable ours = folder.Lock();
        using IDisposable alone = TakeNamespace();
        folder.DeleteUncommitted();
        using ListeningSocket socket = ListeningSocket.Open(options.SocketPath, options.Group);
        using ServiceManager manager = ServiceManager.OfEnvironment(_log);
        using var metrics = new MetricsText();
        using var export = OtlpExport.OfEnvironment();
        using var keeper = new TunnelKeeper(folder, KeySource.OfEnvironment(), _log);
        await keeper.OpenAsync(tunnels => StartGateway(
            new GatewayOptions { DataPlane = options.DataPlane, Cpus = options.Cpus, SteerByFlow = options.SteerByFlow, LoggerFactory = loggers, Meter = metrics.Meter, Tunnels = tunnels, Words = CommandLineWords.Instance },
            cancellationToken));
        WarnOfOthersHolds(keeper, folder);
        // What starting took is not needed again.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Task journal = KeepJournalAsync(keeper.Gateway);
        try
        {
            await ServeAsync(keeper, folder, socket, manager, metrics, cancellationToken);
            // What fails is held until a daemon takes it over, whatever a stop would do.
            if (_planeFailed.IsCancellationRequested)
                return 1;
            if (options.OnStop != StopAction.Hold)
                await keeper.ReleaseAsync();
            if (options.OnStop == StopAction.Forget)
                folder.Remove();
            return 0;
        }
        finally
        {
            await keeper.Gateway.DisposeAsync();
            await journal;
        }
    }

    /// <summary>A tunnel that was taken out of the folder while no daemon ran holds its traffic for ever, unless somebody hears of it.</summary>
    private void WarnOfOthersHolds(TunnelKeeper keeper, TunnelFolder folder)
    {
        try
        {
            foreach (NamelessHold hold in FindHolds(keeper.Names))
                DaemonLog.HeldByOther(_log, $"{hold}", folder.FormerNames().FirstOrDefault(hold.IsOf) is { } name ? $"the tunnel '{name}'" : "a tunnel", folder.Path);
        }
        catch (PcpuIpsecException e)
        {
            DaemonLog.HoldsUnknown(_log, e.Message);
        }
    }

    private async Task ServeAsync(TunnelKeeper keeper, TunnelFolder folder, ListeningSocket socket, ServiceManager manager, MetricsText metrics, CancellationToken cancellationToken)
    {
        await using WebApplication app = DaemonServer.Create(socket, loggers);
        CancellationToken stopping = app.Lifetime.ApplicationStopping;
        app.Use(new Problems(options.Group is { } group ? Libc.FindGroup(group) : null, _log).InvokeAsync);
        ApiRoutes.Map(app, keeper, _journal, metrics, new DaemonFacts(folder.Path, DateTimeOffset.UtcNow), stopping);
        app.MapOpenApi("/v1/openapi.json");
        await app.StartAsync(cancellationToken);
        using CancellationTokenRegistration cancelled = cancellationToken.Register(app.Lifetime.StopApplication);
        using CancellationTokenRegistration failed = _planeFailed.Token.Register(app.Lifetime.StopApplication);
        _ = EndWithInputAsync(app.Lifetime);
        var reloading = new Lock();
        Task reloads = Task.CompletedTask;
        using var reload = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            lock (reloading)
                reloads = Task.WhenAll(reloads, ReloadAsync(keeper, manager, stopping));
        });
        socket.Publish();
        int count = keeper.Names.Count();
        manager.Ready($"{count} tunnels");
        DaemonLog.Listening(_log, socket.Path, count, folder.Path);

        Task watchdog = manager.WatchAsync(ct => keeper.Gateway.GetStatusAsync(ct), stopping);
        await Task.Delay(Timeout.Infinite, stopping).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        manager.Stopping();
        await app.StopAsync(CancellationToken.None);
        await watchdog;
        await reloads;
    }

    // A read from a pipe cannot be cancelled, only left behind; the process ends after it.
    private async Task EndWithInputAsync(IHostApplicationLifetime lifetime)
    {
        if (options.Input is not { } input)
            return;
        byte[] ignored = new byte[64];
        try
        {
            while (await input.ReadAsync(ignored) > 0)
            {
                // What is said there is nothing to us.
            }
        }
        finally
        {
            lifetime.StopApplication();
        }
    }

    private async Task ReloadAsync(TunnelKeeper keeper, ServiceManager manager, CancellationToken cancellationToken)
    {
        try
        {
            manager.Reloading();
            ReloadResult result = await keeper.ReloadAsync(cancellationToken);
            DaemonLog.Reloaded(_log, result.Added.Count, result.Updated.Count, result.Removed.Count);
        }
        catch (PcpuIpsecException e)
        {
            DaemonLog.ReloadFailed(_log, e.Message);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            DaemonLog.ReloadFailed(_log, "the daemon stops");
        }
        catch (Exception e)
        {
            // Nobody else hears of it, and the tunnels must not end with it.
            DaemonLog.ReloadFaulted(_log, e);
        }
        if (!cancellationToken.IsCancellationRequested)
            manager.Ready($"{keeper.Names.Count()} tunnels");
    }

    private async Task KeepJournalAsync(IpsecGateway gateway)
    {
        await foreach (GatewayEvent e in gateway.Events)
        {
            _journal.Add(e);
            if (e.Kind == GatewayEventKind.DataPlaneFailed)
            {
                DaemonLog.DataPlaneFailed(_log, e.Message);
                await _planeFailed.CancelAsync();
            }
        }
    }
}
