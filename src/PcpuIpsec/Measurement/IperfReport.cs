using System.Text.Json;

namespace PcpuIpsec.Measurement;

/// <summary>What carries the test traffic.</summary>
internal enum TrafficProtocol
{
    Tcp,
    Udp,
}

/// <summary>What one iperf3 flow did, from what both of its ends wrote (<c>iperf3 -J</c>): goodput and loss are the receiver's.</summary>
internal sealed record IperfReport
{
    public required TrafficProtocol Protocol { get; init; }
    public required string Source { get; init; }
    public required int SourcePort { get; init; }
    public required string Destination { get; init; }
    public required int DestinationPort { get; init; }

    /// <summary>How long the receiver received.</summary>
    public required double Seconds { get; init; }

    /// <summary>Payload that arrived.</summary>
    public required long Bytes { get; init; }

    public double MegabitsPerSecond => Seconds > 0 ? Bytes * 8 / Seconds / 1e6 : 0;

    /// <summary>The receiver's goodput in each interval.</summary>
    public required IReadOnlyList<double> IntervalsMegabitsPerSecond { get; init; }

    /// <summary>TCP segments sent again; null for UDP.</summary>
    public long? Retransmits { get; init; }

    /// <summary>Datagrams sent; null for TCP.</summary>
    public long? PacketsSent { get; init; }

    /// <summary>Datagrams that the receiver missed; null for TCP.</summary>
    public long? PacketsLost { get; init; }

    /// <summary>Datagrams that overtook others; null for TCP.</summary>
    public long? PacketsReordered { get; init; }

    /// <summary>Reads the two reports of one flow.</summary>
    /// <param name="client">The sender's JSON.</param>
    /// <param name="server">The receiver's JSON.</param>
    /// <exception cref="PcpuIpsecException">iperf3 reports an error, or this is not its JSON.</exception>
    public static IperfReport Parse(string client, string server)
    {
        using JsonDocument clientDocument = Open(client, "client");
        using JsonDocument serverDocument = Open(server, "server");
        try
        {
            return Read(clientDocument.RootElement, serverDocument.RootElement);
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "iperf3's report lacks a field that versions 3.9 to 3.19 write; is it another version?", e);
        }
    }

    /// <summary>Throws where the client's JSON tells of an error. Its exit code does not: iperf3 3.12 ends with 0 then, if it writes JSON.</summary>
    public static void EnsureClientSucceeded(string client) => Open(client, "client").Dispose();

    private static JsonDocument Open(string json, string end)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(json);
        }
        catch (JsonException e)
        {
            string wrote = json.Trim();
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable,
                $"The iperf3 {end} wrote {(wrote.Length == 0 ? "nothing" : "'" + wrote[..Math.Min(wrote.Length, 120)] + "'")} instead of a JSON report.", e);
        }

        if (document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty("error", out JsonElement error))
        {
            string text = error.ToString();
            document.Dispose();
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The iperf3 {end} failed: {text}.");
        }
        return document;
    }

    private static IperfReport Read(JsonElement client, JsonElement server)
    {
        JsonElement connection = client.GetProperty("start").GetProperty("connected")[0];
        bool udp = client.GetProperty("start").GetProperty("test_start").GetProperty("protocol").GetString() == "UDP";
        JsonElement clientEnd = client.GetProperty("end"), serverEnd = server.GetProperty("end");
        JsonElement received = serverEnd.GetProperty("sum_received");

        return new IperfReport
        {
            Protocol = udp ? TrafficProtocol.Udp : TrafficProtocol.Tcp,
            Source = connection.GetProperty("local_host").GetString() ?? "",
            SourcePort = connection.GetProperty("local_port").GetInt32(),
            Destination = connection.GetProperty("remote_host").GetString() ?? "",
            DestinationPort = connection.GetProperty("remote_port").GetInt32(),
            Seconds = received.GetProperty("seconds").GetDouble(),
            Bytes = received.GetProperty("bytes").GetInt64(),
            IntervalsMegabitsPerSecond = Intervals(server),
            Retransmits = udp ? null : clientEnd.GetProperty("sum_sent").GetProperty("retransmits").GetInt64(),
            PacketsSent = udp ? clientEnd.GetProperty("sum").GetProperty("packets").GetInt64() : null,
            PacketsLost = udp ? received.GetProperty("lost_packets").GetInt64() : null,
            PacketsReordered = udp ? serverEnd.GetProperty("streams")[0].GetProperty("udp").GetProperty("out_of_order").GetInt64() : null,
        };
    }

    // The server closes with an interval of a few milliseconds; its rate says nothing.
    private static IReadOnlyList<double> Intervals(JsonElement server)
    {
        var rates = new List<double>();
        foreach (JsonElement interval in server.GetProperty("intervals").EnumerateArray())
        {
            JsonElement sum = interval.GetProperty("sum");
            if (sum.GetProperty("seconds").GetDouble() >= 0.1)
                rates.Add(Math.Round(sum.GetProperty("bits_per_second").GetDouble() / 1e6, 3));
        }
        return rates;
    }
}
