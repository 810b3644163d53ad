using System.Globalization;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

public class PingLogTests
{
    private static readonly DateTimeOffset _start = DateTimeOffset.FromUnixTimeSeconds(1_795_254_900);

    [Fact]
    public void Requests_before_the_moment_may_be_lost_and_those_after_it_may_not()
    {
        // 10 ms apart: 1 to 3 unanswered, the fallback comes at 35 ms, 4 to 8 answered.
        PingLog log = Log(sent: 8, unanswered: [1, 2, 3]);

        Assert.Equal(new PingLoss(5, 0, 3), log.Since(_start.AddMilliseconds(35), TimeSpan.Zero));
        Assert.Equal(new PingLoss(6, 1, 2), log.Since(_start.AddMilliseconds(25), TimeSpan.Zero));
    }

    [Fact]
    public void A_gap_after_the_moment_is_counted()
        => Assert.Equal(new PingLoss(9, 2, 1), Log(sent: 10, unanswered: [1, 5, 6]).Since(_start.AddMilliseconds(15), TimeSpan.Zero));

    [Fact]
    public void A_late_answer_is_an_answer()
    {
        PingLog log = Log(sent: 5, unanswered: [3]);
        log.Add("[1795254900.090000] 64 bytes from 192.0.2.1: icmp_seq=3 ttl=62 time=60.0 ms");

        Assert.Equal(new PingLoss(5, 0, 0), log.Since(_start, TimeSpan.Zero));
    }

    [Fact]
    public void The_tail_under_way_when_ping_was_stopped_is_not_lost()
    {
        PingLog log = Log(sent: 10, unanswered: [9, 10]);

        Assert.Equal(new PingLoss(8, 0, 0), log.Since(_start, TimeSpan.FromMilliseconds(20)));
        Assert.Equal(2, log.Since(_start, TimeSpan.Zero).Lost);
    }

    [Fact]
    public void An_outage_that_never_ended_is_lost()
        => Assert.Equal(new PingLoss(98, 48, 0), Log(sent: 100, unanswered: [.. Enumerable.Range(51, 50)]).Since(_start, TimeSpan.FromMilliseconds(20)));

    [Fact]
    public void Sequence_numbers_wrap_at_16_bits()
    {
        PingLog log = Log(sent: 70_000, unanswered: [65_535, 65_536, 69_000]);

        Assert.Equal(new PingLoss(70_000, 3, 0), log.Since(_start, TimeSpan.Zero));
    }

    [Fact]
    public void Nothing_answered_and_nothing_said_is_nothing_known()
    {
        var log = new PingLog();
        log.Add("PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.");
        log.Add("");

        Assert.False(log.AnyAnswer);
        Assert.Equal(new PingLoss(0, 0, 0), log.Since(_start, TimeSpan.Zero));
    }

    // What ping -D -O -n -i 0.01 prints, with a round trip of half a millisecond.
    private static PingLog Log(int sent, int[] unanswered)
    {
        var log = new PingLog();
        log.Add("PING 192.0.2.1 (192.0.2.1) 56(84) bytes of data.");
        for (int number = 1; number <= sent; number++)
        {
            double at = 1_795_254_900 + (number * 0.01);
            int sequence = number & 0xffff;
            if (!unanswered.Contains(number))
                log.Add(Invariant($"[{at + 0.0005:0.000000}] 64 bytes from 192.0.2.1: icmp_seq={sequence} ttl=62 time=0.500 ms"));
            else if (number < sent)
                log.Add(Invariant($"[{at + 0.01:0.000000}] no answer yet for icmp_seq={sequence}"));
        }
        log.Add("");
        log.Add(Invariant($"{sent} packets transmitted, {sent - unanswered.Length} received, 0% packet loss, time 1ms"));
        return log;
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
