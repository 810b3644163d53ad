using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Takes OTLP over HTTP in a namespace, and reads from the protobuf what the tests ask for.</summary>
internal sealed class OtlpCollector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, double> _metrics = new();
    private readonly ConcurrentBag<string> _spans = [];

    private OtlpCollector(Socket socket)
    {
        Endpoint = $"http://{socket.LocalEndPoint}";
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.Configure<SocketTransportOptions>(transport => transport.CreateBoundListenSocket = _ => socket);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen((IPEndPoint)socket.LocalEndPoint!));
        _app = builder.Build();
        _app.Run(TakeAsync);
    }

    /// <summary>For OTEL_EXPORTER_OTLP_ENDPOINT.</summary>
    public string Endpoint { get; }

    /// <summary>By name, the last sum over a metric's points; of histograms the number of values, and <c>name.sum</c>.</summary>
    public IReadOnlyDictionary<string, double> Metrics => _metrics;

    public IReadOnlyCollection<string> Spans => _spans;

    public static async Task<OtlpCollector> StartAsync(NetworkNamespace @namespace)
    {
        Socket socket = @namespace.Run(() =>
        {
            var listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            return listening;
        });
        var collector = new OtlpCollector(socket);
        await collector._app.StartAsync();
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        // ResourceMetrics and ResourceSpans, ScopeMetrics and ScopeSpans have the same numbers.
        foreach (byte[] entry in Children(body.ToArray(), 1).SelectMany(resource => Children(resource, 2)).SelectMany(scope => Children(scope, 2)))
        {
            if (context.Request.Path == "/v1/metrics")
                TakeMetric(entry);
            else if (context.Request.Path == "/v1/traces")
                _spans.Add(Encoding.UTF8.GetString(Children(entry, 5).Single()));
        }
        context.Response.ContentType = "application/x-protobuf";
    }

    private void TakeMetric(byte[] metric)
    {
        const int Gauge = 5, Sum = 7, Histogram = 9;
        string name = Encoding.UTF8.GetString(Children(metric, 1).Single());
        foreach ((int field, ulong _, byte[] data) in Fields(metric).Where(f => f.Field is Gauge or Sum or Histogram))
        {
            (int Field, ulong Value, byte[] Bytes)[][] points = [.. Children(data, 1).Select(p => Fields(p).ToArray())];
            if (field == Histogram)
            {
                _metrics[name] = points.Sum(p => (double)p.First(f => f.Field == 4).Value);
                _metrics[name + ".sum"] = points.Sum(p => BitConverter.UInt64BitsToDouble(p.First(f => f.Field == 5).Value));
            }
            else
            {
                // as_double = 4, as_int = 6
                _metrics[name] = points.SelectMany(p => p).Sum(f => f.Field switch { 4 => BitConverter.UInt64BitsToDouble(f.Value), 6 => (long)f.Value, _ => 0 });
            }
        }
    }

    private static IEnumerable<byte[]> Children(byte[] message, int field) => Fields(message).Where(f => f.Field == field).Select(f => f.Bytes);

    private static List<(int Field, ulong Value, byte[] Bytes)> Fields(byte[] message)
    {
        List<(int, ulong, byte[])> fields = [];
        for (int at = 0; at < message.Length;)
        {
            ulong tag = Varint(message, ref at), value = 0;
            byte[] bytes = [];
            switch (tag & 7)
            {
                case 0:
                    value = Varint(message, ref at);
                    break;
                case 1:
                    value = BitConverter.ToUInt64(message, at);
                    at += 8;
                    break;
                case 2:
                    int length = (int)Varint(message, ref at);
                    bytes = message[at..(at + length)];
                    at += length;
                    break;
                case 5:
                    value = BitConverter.ToUInt32(message, at);
                    at += 4;
                    break;
                default:
                    throw new InvalidDataException($"Wire type {tag & 7} at {at}.");
            }
            fields.Add(((int)(tag >> 3), value, bytes));
        }
        return fields;
    }

    private static ulong Varint(byte[] message, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte next = message[at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return value;
        }
    }
}
