using PcpuIpsec.Gateway;

namespace PcpuIpsec.Tests.Gateway;

public class EventHubTests
{
    private static GatewayEvent Event(int number) => new() { Time = DateTimeOffset.UnixEpoch, Kind = GatewayEventKind.Warning, Tunnel = "east", Message = $"{number}" };

    private static async Task<List<string>> ReadAsync(EventHub hub)
    {
        List<string> messages = [];
        await foreach (GatewayEvent e in hub)
            messages.Add(e.Message);
        return messages;
    }

    [Fact]
    public async Task A_late_reader_gets_the_last_256_and_then_the_end()
    {
        var hub = new EventHub();
        for (int i = 0; i < 300; i++)
            hub.Publish(Event(i));
        hub.Complete();

        Assert.Equal(Enumerable.Range(44, 256).Select(i => $"{i}"), await ReadAsync(hub));
    }

    [Fact]
    public async Task Every_reader_gets_every_event_in_order()
    {
        var hub = new EventHub();
        Task<List<string>> one = ReadAsync(hub), other = ReadAsync(hub);
        for (int i = 0; i < 1000; i++)
            hub.Publish(Event(i));
        hub.Complete();

        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"{i}"), await one);
        Assert.Equal(await one, await other);
    }

    [Fact]
    public async Task A_reader_that_does_not_read_loses_the_oldest_and_holds_nobody_up()
    {
        var hub = new EventHub();
        await using IAsyncEnumerator<GatewayEvent> reader = hub.GetAsyncEnumerator();
        for (int i = 0; i < EventHub.ReaderCapacity + 10; i++)
            hub.Publish(Event(i));

        Assert.True(await reader.MoveNextAsync());
        Assert.Equal("10", reader.Current.Message);
    }
}
