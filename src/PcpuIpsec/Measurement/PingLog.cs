using System.Globalization;

namespace PcpuIpsec.Measurement;

/// <summary>What became of the echo requests of one ping since a moment.</summary>
/// <param name="Sent">Requests sent since then.</param>
/// <param name="Lost">Those never answered.</param>
/// <param name="SentBefore">Requests sent before.</param>
internal sealed record PingLoss(long Sent, long Lost, long SentBefore)
{
    public static PingLoss operator +(PingLoss a, PingLoss b) => new(a.Sent + b.Sent, a.Lost + b.Lost, a.SentBefore + b.SentBefore);
}

/// <summary>
/// Reads the lines of <c>ping -D -O -n</c> and knows when each request went out: an answer tells when it came and how long
/// it took, and "no answer yet" is written when the next request goes out.
/// </summary>
internal sealed class PingLog
{
    private readonly SortedDictionary<long, double> _sentAt = [];
    private readonly HashSet<long> _answered = [];
    private long _last;
    private long? _transmitted;

    /// <summary>True once an answer came.</summary>
    public bool AnyAnswer => _answered.Count > 0;

    /// <summary>Takes a line; what is no request's fate is ignored.</summary>
    public void Add(string line)
    {
        int transmitted = line.IndexOf(" packets transmitted", StringComparison.Ordinal);
        if (transmitted > 0 && long.TryParse(line.AsSpan(0, transmitted), NumberStyles.None, CultureInfo.InvariantCulture, out long count))
        {
            _transmitted = count;
            return;
        }

        int close = line.IndexOf(']');
        if (!line.StartsWith('[') || close < 0 || Number(line, "icmp_seq=") is not { } sequence
            || !double.TryParse(line.AsSpan(1, close - 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double time))
            return;

        long number = Unwrap((long)sequence);
        if (line.Contains("no answer yet", StringComparison.Ordinal))
        {
            _sentAt.TryAdd(number + 1, time);
        }
        else if (Number(line, "time=") is { } milliseconds)
        {
            _answered.Add(number);
            _sentAt[number] = time - (milliseconds / 1000);
        }
    }

    /// <summary>Counts from a moment on. Requests sent within the last <paramref name="underway"/> of the log may still be under way and do not count.</summary>
    public PingLoss Since(DateTimeOffset moment, TimeSpan underway)
    {
        double from = moment.ToUnixTimeMilliseconds() / 1000.0;
        if (_sentAt.Count == 0)
            return new(0, 0, _transmitted ?? 0);

        long first = _sentAt.Keys.First(), end = _transmitted ?? _sentAt.Keys.Last();
        double until = _sentAt.Values.Max() - underway.TotalSeconds;
        long sent = 0, lost = 0, before = first - 1;
        foreach ((long number, double at) in Timeline(end))
        {
            if (at < from)
            {
                before++;
            }
            else if (_answered.Contains(number))
            {
                sent++;
            }
            else if (at <= until)
            {
                sent++;
                lost++;
            }
        }
        return new(sent, lost, before);
    }

    // When each request went out. Ping sends evenly, so one whose time no line tells lies evenly between its neighbours.
    private IEnumerable<(long Number, double At)> Timeline(long end)
    {
        KeyValuePair<long, double> last = _sentAt.First();
        foreach (KeyValuePair<long, double> known in _sentAt.Where(k => k.Key <= end))
        {
            for (long number = last.Key + 1; number < known.Key; number++)
                yield return (number, last.Value + ((known.Value - last.Value) * (number - last.Key) / (known.Key - last.Key)));
            yield return (known.Key, known.Value);
            last = known;
        }
        for (long number = last.Key + 1; number <= end; number++)
            yield return (number, last.Value);
    }

    // icmp_seq has 16 bits.
    private long Unwrap(long sequence)
    {
        long number = (_last & ~0xffffL) | sequence;
        if (number < _last - 0x8000)
            number += 0x10000;
        else if (number > _last + 0x8000 && number >= 0x10000)
            number -= 0x10000;
        _last = Math.Max(_last, number);
        return number;
    }

    private static double? Number(string line, string name)
    {
        int start = line.IndexOf(name, StringComparison.Ordinal);
        if (start < 0)
            return null;
        start += name.Length;
        int end = start;
        while (end < line.Length && (char.IsAsciiDigit(line[end]) || line[end] == '.'))
            end++;
        return double.TryParse(line.AsSpan(start, end - start), NumberStyles.Float, CultureInfo.InvariantCulture, out double value) ? value : null;
    }
}
