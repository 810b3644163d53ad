using System.Globalization;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;

namespace PcpuIpsec.Client;

public sealed partial class DaemonClient
{
    /// <summary>What happened lately: up to 1024 events that the daemon still has.</summary>
    /// <param name="cancellationToken">Gives the wait up.</param>
    public Task<IReadOnlyList<DaemonEvent>> GetEventsAsync(CancellationToken cancellationToken = default)
        => SendAsync(HttpMethod.Get, "v1/events/recent", null, WireJson.Default.IReadOnlyListDaemonEvent, cancellationToken);

    /// <summary>What happens, from an event on; ends with the daemon. A reader that is slower than the events misses the oldest.</summary>
    /// <param name="after">The number of the last event that is known; null: only what happens from now on; 0: all that the daemon still has.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<DaemonEvent> FollowEventsAsync(long? after = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "v1/events");
        request.Headers.Accept.ParseAdd("text/event-stream");
        if (after is { } id)
            request.Headers.TryAddWithoutValidation("Last-Event-ID", id.ToString(CultureInfo.InvariantCulture));
        using HttpResponseMessage response = await SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            SseParser<DaemonEvent?> parser = SseParser.Create(body, (_, data) => Read(data, WireJson.Default.DaemonEvent, "GET v1/events"));
            IAsyncEnumerator<SseItem<DaemonEvent?>> items = parser.EnumerateAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using (items.ConfigureAwait(false))
            {
                while (await NextAsync(items).ConfigureAwait(false))
                {
                    if (items.Current.Data is { } e)
                        yield return e;
                }
            }
        }
    }

    /// <summary>A daemon that was killed ends the stream, too: whoever follows asks anew.</summary>
    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<SseItem<DaemonEvent?>> items)
    {
        try
        {
            return await items.MoveNextAsync().ConfigureAwait(false);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
