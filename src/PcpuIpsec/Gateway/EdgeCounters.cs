namespace PcpuIpsec.Gateway;

/// <summary>What the edge counts, beside the protocol's own counters. Incremented from several threads.</summary>
internal sealed class EdgeCounters
{
    private long _received, _sent, _keepalives, _noMarker, _queueFull, _receiveErrors, _sendErrors, _faults;

    public void Received() => Interlocked.Increment(ref _received);

    public void Sent() => Interlocked.Increment(ref _sent);

    public void KeepaliveReceived() => Interlocked.Increment(ref _keepalives);

    /// <summary>A datagram on the NAT traversal port without the non-ESP marker (RFC 3948 §2.2).</summary>
    public void MarkerMissing() => Interlocked.Increment(ref _noMarker);

    /// <summary>A datagram dropped because the loop was too far behind.</summary>
    public void QueueFull() => Interlocked.Increment(ref _queueFull);

    public void ReceiveError() => Interlocked.Increment(ref _receiveErrors);

    public void SendError() => Interlocked.Increment(ref _sendErrors);

    /// <summary>An event whose handling threw; logged with the exception.</summary>
    public void Fault() => Interlocked.Increment(ref _faults);

    public void AddTo(IDictionary<string, long> counters)
    {
        counters["EdgeDatagramsReceived"] = Interlocked.Read(ref _received);
        counters["EdgeDatagramsSent"] = Interlocked.Read(ref _sent);
        counters["EdgeKeepalivesReceived"] = Interlocked.Read(ref _keepalives);
        counters["EdgeMarkerMissing"] = Interlocked.Read(ref _noMarker);
        counters["EdgeQueueFull"] = Interlocked.Read(ref _queueFull);
        counters["EdgeReceiveErrors"] = Interlocked.Read(ref _receiveErrors);
        counters["EdgeSendErrors"] = Interlocked.Read(ref _sendErrors);
        counters["EdgeFaults"] = Interlocked.Read(ref _faults);
    }
}
