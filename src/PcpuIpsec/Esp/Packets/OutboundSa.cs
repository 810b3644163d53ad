using System.Buffers.Binary;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// The outbound half of a Child SA: makes IP packets into ESP packets (RFC 4303 §3.3). Each worker has its own cipher
/// context and counters. An SA that one worker alone uses takes no lock and no interlocked operation; workers that share
/// one share its sequence number.
/// Nobody may be inside <see cref="Protect(int, ReadOnlySpan{byte}, Span{byte}, out int, out byte)"/> when it is disposed.
/// </summary>
internal sealed class OutboundSa : IDisposable
{
    /// <summary>RFC 4303 §3.3.3: without extended numbers the last one is 2^32-1, and no number comes twice.</summary>
    private const ulong LastSequence = uint.MaxValue;

    /// <summary>Far enough from 2^64 that no number of workers steps over it at once.</summary>
    private const ulong LastExtendedSequence = ulong.MaxValue - 65_536;

    /// <summary>Where a rekey is asked for whatever the lifetime says: seven eighths of the numbers are used.</summary>
    private const ulong SoftSequence = LastSequence / 8 * 7;

    private readonly CipherSource _ciphers;
    private readonly IRandomSource _random;
    private readonly OutboundLane?[] _lanes;
    private readonly EspGeometry _geometry;
    private readonly SelectorSet _selectors;
    private readonly LifetimeMeter _lifetime;
    private readonly ulong _lastSequence;
    private readonly bool _shared;
    private readonly bool _transport;
    private readonly bool _isAead;
    private readonly bool _randomIv;
    private readonly bool _esn;
    private readonly uint _spi;
    private SharedNumbers _numbers;

    /// <summary>Copies the keys; the caller still owns its own.</summary>
    /// <param name="sa">What was negotiated.</param>
    /// <param name="workers">
    /// How many workers use it: 1 where it is bound to one, which then passes any number; else each passes its own, below this.
    /// </param>
    /// <param name="random">Where unpredictable IVs come from; safe for several threads. The system's where null.</param>
    /// <param name="firstSequence">The number of the first packet: 1, or where an SA goes on.</param>
    public OutboundSa(SaInstallation sa, int workers, IRandomSource? random = null, ulong firstSequence = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        ArgumentOutOfRangeException.ThrowIfZero(firstSequence);
        _ciphers = new CipherSource(sa);
        Installation = _ciphers.Installation;
        _random = random ?? new SystemRandom();
        _lanes = new OutboundLane?[workers];
        _shared = workers > 1;
        PacketCipher cipher = _ciphers.Peek();
        _geometry = new EspGeometry(cipher);
        _isAead = cipher.IsAead;
        _randomIv = cipher.NeedsRandomIv;
        _selectors = new SelectorSet(sa.LocalSelectors, sa.RemoteSelectors);
        _esn = sa.Suite.Esn;
        _lastSequence = _esn ? LastExtendedSequence : LastSequence;
        _lifetime = new LifetimeMeter(sa.Lifetime, _esn ? ulong.MaxValue : SoftSequence);
        _transport = sa.Mode == IpsecMode.Transport;
        _spi = sa.Spi;
        _numbers.Sequence = firstSequence - 1;
    }

    /// <summary>What was installed; the keys are this object's own copies.</summary>
    public SaInstallation Installation { get; }

    /// <summary>Which packets it may carry.</summary>
    public SelectorSet Selectors => _selectors;

    /// <summary>Packets protected.</summary>
    public long Packets => Total(static lane => Volatile.Read(ref lane.Counters.Packets));

    /// <summary>Bytes protected, counted as the inner IP packets are long.</summary>
    public long Bytes => Total(static lane => Volatile.Read(ref lane.Counters.Bytes));

    /// <summary>Packets refused.</summary>
    public long Drops => Total(static lane => Volatile.Read(ref lane.Counters.Drops));

    /// <summary>What another object for this SA has to begin with. Exact while no worker is inside.</summary>
    public ulong NextSequence => Volatile.Read(ref _numbers.Sequence) + 1;

    /// <summary>True once a hard limit was reached: it protects nothing any more.</summary>
    public bool Expired => _lifetime.Expired;

    /// <summary>Holds the SA to its limits in seconds.</summary>
    /// <param name="age">The time since it was installed.</param>
    public void Tick(TimeSpan age) => _lifetime.Tick(age);

    /// <summary>The limits reached since the last call, each told once; used-up sequence numbers are a hard one. One thread asks.</summary>
    public SaLimits TakeReachedLimits() => _lifetime.TakeReached();

    /// <summary>The length of the ESP packet, from the SPI to the ICV, for an inner IP packet (IPv4 options aside, which transport mode refuses).</summary>
    public int EspLength(int innerLength) => _geometry.PacketLength(innerLength - StrippedLength);

    /// <summary>How much longer the outer IP packet is than the inner one, UDP encapsulation included.</summary>
    public int Overhead(int innerLength) => OuterHeadersLength + EspLength(innerLength) - innerLength;

    /// <summary>The longest inner IP packet whose outer one is not longer than this.</summary>
    public int MaximumInner(int outerMtu) => Math.Max(0, _geometry.MaximumPayload(outerMtu - OuterHeadersLength) + StrippedLength);

    /// <summary>
    /// Decides what happens to a packet, given how much the path carries. Where the selectors name ports, later fragments
    /// would have no SA to go through (RFC 4301 §7), so the outer packet is the one to fragment.
    /// </summary>
    /// <param name="key">The packet's selectors.</param>
    /// <param name="packet">The packet.</param>
    /// <param name="outerMtu">The longest outer IP packet.</param>
    public PathMtuAction Decide(in FlowKey key, ReadOnlySpan<byte> packet, int outerMtu)
    {
        PathMtuAction action = PathMtu.Decide(key, packet, MaximumInner(outerMtu), Installation.Mode);
        return action == PathMtuAction.FragmentInner && !_selectors.MatchesOutbound(key.WithoutPorts())
            ? PathMtuAction.FragmentOuter
            : action;
    }

    /// <summary>Protects one packet.</summary>
    /// <param name="worker">Who asks.</param>
    /// <param name="inner">A whole IP packet.</param>
    /// <param name="destination">Receives the ESP packet, from the SPI to the ICV; must not overlap.</param>
    /// <param name="length">The length of the ESP packet.</param>
    /// <param name="outerTrafficClass">DSCP and ECN for the outer header (RFC 6040 §4.1, normal mode).</param>
    public EspVerdict Protect(int worker, ReadOnlySpan<byte> inner, Span<byte> destination, out int length, out byte outerTrafficClass)
    {
        if (FlowKey.TryRead(inner, out FlowKey key))
            return Protect(worker, key, inner, destination, out length, out outerTrafficClass);
        length = 0;
        outerTrafficClass = 0;
        Lane(worker).Counters.Drops++;
        return EspVerdict.OutMalformed;
    }

    /// <summary>Protects one packet whose selectors were read already, for the policy.</summary>
    public EspVerdict Protect(int worker, in FlowKey key, ReadOnlySpan<byte> inner, Span<byte> destination, out int length, out byte outerTrafficClass)
    {
        OutboundLane lane = Lane(worker);
        outerTrafficClass = key.TrafficClass;
        EspVerdict verdict = Build(lane, key, inner, destination, out length);
        if (verdict != EspVerdict.Ok)
            lane.Counters.Drops++;
        return verdict;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (OutboundLane? lane in _lanes)
            lane?.Cipher.Dispose();
        _ciphers.Dispose();
    }

    private int OuterHeadersLength => IpHeader.LengthOf(Installation.Destination) + (Installation.Encapsulation is null ? 0 : 8);

    /// <summary>In transport mode the packet's own IP header becomes the outer one.</summary>
    private int StrippedLength => _transport ? IpHeader.LengthOf(Installation.Destination) : 0;

    private EspVerdict Build(OutboundLane lane, in FlowKey key, ReadOnlySpan<byte> inner, Span<byte> destination, out int length)
    {
        length = 0;
        if (_lifetime.Expired)
            return EspVerdict.OutExpired;
        if (!_selectors.MatchesOutbound(key))
            return EspVerdict.OutSelector;
        if (_transport && RefuseInTransport(key) is var refusal and not EspVerdict.Ok)
            return refusal;

        ReadOnlySpan<byte> payload = inner[(_transport ? key.IpHeaderLength : 0)..key.TotalLength];
        int packetLength = _geometry.PacketLength(payload.Length);
        if (packetLength + OuterHeadersLength > ushort.MaxValue)
            return EspVerdict.OutTooBig;
        if (packetLength > destination.Length)
            return EspVerdict.OutBuffer;
        if (!TryNumber(key.TotalLength, out ulong sequence, out EspVerdict verdict))
            return verdict;

        byte nextHeader = _transport ? NextHeader(inner, key) : key.IsIPv6 ? NextHeaders.IPv6 : NextHeaders.IPv4;
        Write(lane, sequence, nextHeader, payload, destination[..packetLength]);
        length = packetLength;
        lane.Counters.Packets++;
        lane.Counters.Bytes += key.TotalLength;
        return EspVerdict.Ok;
    }

    private static EspVerdict RefuseInTransport(in FlowKey key)
    {
        if (key.IsFragment)
            return EspVerdict.OutFragment;
        return key.HasOuterExtensions || (!key.IsIPv6 && key.IpHeaderLength > IpHeader.IPv4Length) ? EspVerdict.OutOptions : EspVerdict.Ok;
    }

    private static byte NextHeader(ReadOnlySpan<byte> inner, in FlowKey key) => inner[key.IsIPv6 ? 6 : 9];

    /// <summary>RFC 4303 §3.3.3: the packet's number, under the limits of the SA.</summary>
    private bool TryNumber(int bytes, out ulong sequence, out EspVerdict verdict)
    {
        ulong total = 0;
        if (_shared)
        {
            sequence = Volatile.Read(ref _numbers.Sequence);
            if (sequence < _lastSequence)
                sequence = Interlocked.Increment(ref _numbers.Sequence);
            else
                sequence = ulong.MaxValue;
            if (_lifetime.LimitsBytes)
                total = Interlocked.Add(ref _numbers.Bytes, (ulong)bytes);
        }
        else
        {
            sequence = _numbers.Sequence < _lastSequence ? ++_numbers.Sequence : ulong.MaxValue;
            total = _numbers.Bytes += (ulong)bytes;
        }
        if (sequence > _lastSequence)
        {
            _lifetime.Reach(SaLimits.Hard);
            verdict = EspVerdict.OutSequence;
            return false;
        }
        verdict = EspVerdict.OutExpired;
        return _lifetime.Count(sequence, total);
    }

    private void Write(OutboundLane lane, ulong sequence, byte nextHeader, ReadOnlySpan<byte> payload, Span<byte> packet)
    {
        // RFC 4303 §2: SPI, sequence number, IV, payload, padding, pad length, next header, ICV
        BinaryPrimitives.WriteUInt32BigEndian(packet, _spi);
        BinaryPrimitives.WriteUInt32BigEndian(packet[4..], (uint)sequence);
        Span<byte> iv = packet.Slice(EspGeometry.HeaderLength, _geometry.IvLength);
        Span<byte> text = packet[(EspGeometry.HeaderLength + iv.Length)..^_geometry.IcvLength];
        payload.CopyTo(text);
        int padding = text.Length - payload.Length - EspGeometry.TrailerLength;
        EspPadding.Bytes[..padding].CopyTo(text[payload.Length..]);
        text[^2] = (byte)padding;
        text[^1] = nextHeader;

        // AEADs need IVs that never come twice under a key, and the sequence number never does (RFC 4106 §3.1).
        if (_randomIv)
            lane.Ivs!.Take(iv);
        else if (!iv.IsEmpty)
            BinaryPrimitives.WriteUInt64BigEndian(iv, sequence);

        Span<byte> scratch = stackalloc byte[EspAuthenticated.Length];
        EspAuthenticated authenticated = new(scratch, packet, sequence, _esn, _isAead);
        lane.Cipher.Seal(authenticated.Associated, iv, text, authenticated.Trailer, packet[^_geometry.IcvLength..]);
    }

    private OutboundLane Lane(int worker) => _lanes[_shared ? worker : 0] ?? MakeLane(_shared ? worker : 0);

    private OutboundLane MakeLane(int index) => _lanes[index] = new OutboundLane(_ciphers.Take(), _randomIv ? new IvPool(_random) : null);

    private long Total(Func<OutboundLane, long> counter)
    {
        long total = 0;
        foreach (OutboundLane? lane in _lanes)
            total += lane is null ? 0 : counter(lane);
        return total;
    }
}
