using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>The HTTP server: Kestrel on one socket, configured by nothing but this.</summary>
internal static class DaemonServer
{
    /// <summary>What a connection may have waiting, in bytes; the server keeps for the next one what it needed once.</summary>
    private const int BufferAtMost = 1 << 16;

    private static readonly TimeSpan _shutdown = TimeSpan.FromSeconds(5);

    public static WebApplication Create(ListeningSocket socket, ILoggerFactory loggers)
    {
        // Not even a file or a variable of the environment changes what it does.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, ZeroedMemoryPool.Factory>();
        builder.Services.AddRoutingCore();
        // Signals are the process's business.
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddOpenApi("v1", OpenApiSchemas.Configure);
        builder.Services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Clear();
            json.SerializerOptions.TypeInfoResolverChain.Add(WireJson.Default);
            json.SerializerOptions.Encoder = WireJson.Readable.Options.Encoder;
            json.SerializerOptions.DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull;
        });
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = _shutdown);
        builder.Services.Configure<SocketTransportOptions>(transport =>
        {
            transport.CreateBoundListenSocket = _ => socket.Socket;
            transport.MaxReadBufferSize = BufferAtMost;
        });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.Limits.MaxRequestBufferSize = BufferAtMost;
            kestrel.Limits.MaxRequestBodySize = RequestBody.TakenAtMost;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.ListenUnixSocket(socket.Path, listen => listen.Use(CollectAfter));
        });
        WebApplication app = builder.Build();
        app.Use(async (context, next) =>
        {
            await next(context);
            RequestGarbage.Collect();
        });
        return app;
    }

    /// <summary>Also of what is no request, which never comes to the application.</summary>
    private static ConnectionDelegate CollectAfter(ConnectionDelegate next) => async connection =>
    {
        await next(connection);
        RequestGarbage.Collect();
    };

    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
