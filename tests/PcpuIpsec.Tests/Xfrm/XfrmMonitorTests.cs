using System.Collections.Concurrent;
using PcpuIpsec.Netlink;
using PcpuIpsec.Tests.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

public class XfrmMonitorTests
{
    private const int Eagain = 11, Enobufs = 105, Emsgsize = 90, Enotconn = 107;

    private readonly ScriptedListener _listener = new();

    [Fact]
    public void Events_of_one_datagram_come_in_order_and_those_unknown_are_passed_over()
    {
        _listener.Add([.. Event(XfrmMessageType.FlushSa, 50), .. Event(0x7f, 1), .. Event(XfrmMessageType.FlushPolicy)]);
        Assert.Equal([new XfrmStatesFlushed(50), new XfrmPoliciesFlushed()], Read(2));
    }

    [Fact]
    public void A_loss_is_told_once_the_queue_is_empty_and_reading_goes_on()
    {
        _listener.Add([], Enobufs);
        _listener.Add([], Emsgsize);
        _listener.Add(Event(XfrmMessageType.FlushSa, 50));

        using var monitor = new XfrmMonitor(_listener);
        using IEnumerator<XfrmEvent> events = monitor.Read(CancellationToken.None).GetEnumerator();
        Assert.True(events.MoveNext());
        Assert.Equal(new XfrmStatesFlushed(50), events.Current);
        Assert.True(events.MoveNext());
        Assert.IsType<XfrmEventsLost>(events.Current);
        _listener.Add(Event(XfrmMessageType.FlushPolicy));
        Assert.True(events.MoveNext());
        Assert.IsType<XfrmPoliciesFlushed>(events.Current);
    }

    [Fact]
    public void An_event_that_makes_no_sense_is_a_loss_and_what_came_before_it_is_not()
    {
        _listener.Add([.. Event(XfrmMessageType.FlushSa, 50), .. Event(XfrmMessageType.Acquire, 1, 2, 3)]);
        List<XfrmEvent> events = Read(2);
        Assert.Equal(new XfrmStatesFlushed(50), events[0]);
        Assert.Contains("malformed", Assert.IsType<XfrmEventsLost>(events[1]).Reason);
    }

    [Fact]
    public void A_socket_that_fails_for_good_ends_in_an_error()
    {
        _listener.Add([], Enotconn);
        Assert.Equal(Enotconn, Assert.Throws<NetlinkException>(() => Read(1)).Errno);
    }

    [Fact]
    public async Task Cancelling_ends_a_reader_that_waits()
    {
        using var cancel = new CancellationTokenSource();
        using var monitor = new XfrmMonitor(_listener);
        Task<int> reader = Task.Factory.StartNew(() => monitor.Read(cancel.Token).Count(), TaskCreationOptions.LongRunning);
        Assert.True(_listener.Waiting.Wait(TimeSpan.FromSeconds(30)));

        await cancel.CancelAsync();

        Assert.Equal(0, await reader.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    private List<XfrmEvent> Read(int count)
    {
        using var monitor = new XfrmMonitor(_listener);
        return [.. monitor.Read(CancellationToken.None).Take(count)];
    }

    private static byte[] Event(ushort type, params byte[] payload) => FakeKernel.Message(new byte[16], type, 0, payload);

    private sealed class ScriptedListener : INetlinkListener
    {
        private const int Ecanceled = 125;
        private readonly BlockingCollection<(byte[] Datagram, int Errno)> _script = [];

        public ManualResetEventSlim Waiting { get; } = new();

        public void Add(byte[] datagram, int errno = 0) => _script.Add((datagram, errno));

        public int Receive(Span<byte> buffer, out int length, bool wait)
        {
            Waiting.Set();
            (byte[] Datagram, int Errno) next = ([], Eagain);
            if (wait)
                next = _script.Take();
            else if (_script.TryTake(out (byte[], int) queued))
                next = queued;
            (byte[] datagram, int errno) = next;
            datagram.CopyTo(buffer);
            length = datagram.Length;
            return errno;
        }

        public void Wake() => _script.Add(([], Ecanceled));

        public void Dispose()
        {
        }
    }
}
