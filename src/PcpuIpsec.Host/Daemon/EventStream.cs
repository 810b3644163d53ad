using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using PcpuIpsec.Client;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Server-sent events.</summary>
internal static class EventStream
{
    public const string ContentType = "text/event-stream";

    // A reader that is gone without a word is noticed by writing to it.
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(15);

    /// <summary>Writes what happens after an event until the reader goes or the daemon stops.</summary>
    public static async Task WriteAsync(HttpContext context, EventJournal journal, CancellationToken stopping)
    {
        long last = LastOf(context.Request) ?? journal.Last;
        context.Response.ContentType = ContentType;
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.StartAsync(context.RequestAborted);
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        try
        {
            while (true)
            {
                (IReadOnlyList<DaemonEvent> events, Task more) = journal.After(last);
                foreach (DaemonEvent e in events)
                {
                    await context.Response.WriteAsync($"id: {e.Id}\nevent: {e.Kind}\ndata: {JsonSerializer.Serialize(e, WireJson.Default.DaemonEvent)}\n\n", ends.Token);
                    last = e.Id;
                }
                await context.Response.Body.FlushAsync(ends.Token);
                if (await Task.WhenAny(more, Task.Delay(_heartbeat, ends.Token)) != more)
                    await context.Response.WriteAsync(":\n\n", ends.Token);
            }
        }
        catch (OperationCanceledException) when (ends.IsCancellationRequested)
        {
            // The end of the stream is all that there is to say.
        }
    }

    private static long? LastOf(HttpRequest request)
    {
        string? text = request.Headers["Last-Event-ID"];
        return text is null ? null
            : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id) ? id
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"Last-Event-ID: '{text}' is not allowed; allowed is the number of an event");
    }
}
