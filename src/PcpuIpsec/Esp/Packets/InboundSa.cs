using System.Buffers.Binary;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// The inbound half of a Child SA: makes ESP packets into IP packets (RFC 4303 §3.4). One thread at a time opens;
/// counters and limits may be read from another.
/// </summary>
internal sealed class InboundSa : IDisposable
{
    private readonly CipherSource _ciphers;
    private readonly PacketCipher _cipher;
    private readonly EspGeometry _geometry;
    private readonly ReplayWindow _window;
    private readonly SelectorSet _selectors;
    private readonly LifetimeMeter _lifetime;
    private readonly bool _esn;
    private readonly bool _transport;
    private readonly bool _fixChecksums;
    private bool _used;
    private LaneCounters _counters;

    /// <summary>Copies the keys; the caller still owns its own.</summary>
    /// <param name="sa">What was negotiated.</param>
    /// <param name="highestSequence">Where an SA goes on: the highest sequence number seen.</param>
    public InboundSa(SaInstallation sa, ulong highestSequence = 0)
    {
        _ciphers = new CipherSource(sa);
        Installation = _ciphers.Installation;
        _cipher = _ciphers.Take();
        _geometry = new EspGeometry(_cipher);
        _esn = sa.Suite.Esn;
        _window = new ReplayWindow(sa.ReplayWindow, _esn, highestSequence);
        _selectors = new SelectorSet(sa.LocalSelectors, sa.RemoteSelectors);
        _lifetime = new LifetimeMeter(sa.Lifetime);
        _transport = sa.Mode == IpsecMode.Transport;
        _fixChecksums = _transport && sa.Encapsulation is not null;
    }

    /// <summary>What was installed; the keys are this object's own copies.</summary>
    public SaInstallation Installation { get; }

    /// <summary>Packets handed on.</summary>
    public long Packets => Volatile.Read(ref _counters.Packets);

    /// <summary>Bytes handed on, counted as the inner IP packets are long.</summary>
    public long Bytes => Volatile.Read(ref _counters.Bytes);
    public long ReplayDrops => Volatile.Read(ref _counters.ReplayDrops);
    public long IntegrityDrops => Volatile.Read(ref _counters.IntegrityDrops);

    /// <summary>Drops for any other reason.</summary>
    public long OtherDrops => Volatile.Read(ref _counters.Drops);

    /// <summary>True once a hard limit was reached: it hands on nothing any more.</summary>
    public bool Expired => _lifetime.Expired;

    /// <summary>Holds the SA to its limits in seconds.</summary>
    /// <param name="age">The time since it was installed.</param>
    public void Tick(TimeSpan age) => _lifetime.Tick(age);

    /// <summary>The limits reached since the last call, each told once. One thread asks.</summary>
    public SaLimits TakeReachedLimits() => _lifetime.TakeReached();

    /// <summary>Checks and decrypts one packet.</summary>
    /// <param name="esp">The ESP packet from its SPI on; decrypted in place.</param>
    /// <param name="outerTrafficClass">DSCP and ECN of the outer header.</param>
    /// <param name="outer">The addresses it came with: in transport mode they become the packet's own.</param>
    /// <param name="destination">Receives the inner IP packet; must not overlap.</param>
    /// <param name="length">The length of the inner IP packet.</param>
    /// <param name="firstAuthentic">True with the first packet whose ICV is right, whatever else becomes of it.</param>
    public EspVerdict Open(Span<byte> esp, byte outerTrafficClass, in OuterAddresses outer, Span<byte> destination, out int length, out bool firstAuthentic)
    {
        length = 0;
        firstAuthentic = false;
        EspVerdict verdict = Decrypt(esp, out Span<byte> text);
        if (verdict == EspVerdict.Ok)
        {
            firstAuthentic = !_used;
            _used = true;
            verdict = Unwrap(text, outerTrafficClass, outer, destination, out length);
        }
        if (verdict == EspVerdict.Ok && !_lifetime.Count((ulong)_counters.Packets + 1, (ulong)(_counters.Bytes + length)))
            verdict = EspVerdict.InExpired;
        switch (verdict)
        {
            case EspVerdict.Ok:
                _counters.Packets++;
                _counters.Bytes += length;
                break;
            case EspVerdict.InReplay:
                _counters.ReplayDrops++;
                break;
            case EspVerdict.InIntegrity:
                _counters.IntegrityDrops++;
                break;
            default:
                _counters.Drops++;
                break;
        }
        if (verdict != EspVerdict.Ok)
            length = 0;
        return verdict;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _cipher.Dispose();
        _ciphers.Dispose();
    }

    /// <summary>RFC 4303 §3.4.3 and §3.4.4: the number is checked, then the ICV, and only then does the window move.</summary>
    private EspVerdict Decrypt(Span<byte> esp, out Span<byte> text)
    {
        text = default;
        int textLength = esp.Length - EspGeometry.HeaderLength - _geometry.IvLength - _geometry.IcvLength;
        if (textLength < EspGeometry.TrailerLength || textLength % _geometry.BlockSize != 0)
            return EspVerdict.InMalformed;
        if (_lifetime.Expired)
            return EspVerdict.InExpired;
        if (!_window.TryCheck(BinaryPrimitives.ReadUInt32BigEndian(esp[4..]), out ulong sequence))
            return EspVerdict.InReplay;

        Span<byte> scratch = stackalloc byte[EspAuthenticated.Length];
        EspAuthenticated authenticated = new(scratch, esp, sequence, _esn, _cipher.IsAead);
        Span<byte> iv = esp.Slice(EspGeometry.HeaderLength, _geometry.IvLength);
        text = esp.Slice(EspGeometry.HeaderLength + _geometry.IvLength, textLength);
        if (!_cipher.TryOpen(authenticated.Associated, iv, text, authenticated.Trailer, esp[^_geometry.IcvLength..]))
            return EspVerdict.InIntegrity;
        _window.Accept(sequence);
        return EspVerdict.Ok;
    }

    private EspVerdict Unwrap(Span<byte> text, byte outerTrafficClass, in OuterAddresses outer, Span<byte> destination, out int length)
    {
        length = 0;
        int padding = text[^2];
        byte nextHeader = text[^1];
        int payloadLength = text.Length - EspGeometry.TrailerLength - padding;
        if (payloadLength < 0 || !text.Slice(payloadLength, padding).SequenceEqual(EspPadding.Bytes[..padding]))
            return EspVerdict.InPadding;
        if (nextHeader == NextHeaders.None)
            return EspVerdict.InDummy;
        Span<byte> payload = text[..payloadLength];
        return _transport
            ? UnwrapTransport(payload, nextHeader, outerTrafficClass, outer, destination, out length)
            : UnwrapTunnel(payload, nextHeader, outerTrafficClass, destination, out length);
    }

    private EspVerdict UnwrapTunnel(Span<byte> payload, byte nextHeader, byte outerTrafficClass, Span<byte> destination, out int length)
    {
        length = 0;
        if (nextHeader is not (NextHeaders.IPv4 or NextHeaders.IPv6))
            return EspVerdict.InMode;
        if (!FlowKey.TryRead(payload, out FlowKey key) || key.IsIPv6 != (nextHeader == NextHeaders.IPv6))
            return EspVerdict.InInnerMalformed;
        if (!_selectors.MatchesInbound(key))
            return EspVerdict.InSelector;
        if (!Ecn.TryDecapsulate(key.TrafficClass, outerTrafficClass, out byte trafficClass))
            return EspVerdict.InEcn;
        if (key.TotalLength > destination.Length)
            return EspVerdict.InBuffer;
        // What stands behind the packet by its own length is traffic flow confidentiality padding (RFC 4303 §2.7).
        payload[..key.TotalLength].CopyTo(destination);
        if (trafficClass != key.TrafficClass)
            IpHeader.SetTrafficClass(destination, trafficClass);
        length = key.TotalLength;
        return EspVerdict.Ok;
    }

    private EspVerdict UnwrapTransport(ReadOnlySpan<byte> payload, byte nextHeader, byte outerTrafficClass, in OuterAddresses outer, Span<byte> destination, out int length)
    {
        // RFC 4303 §3.3.4: transport mode protects whole datagrams, so there is no fragment inside.
        length = 0;
        if (nextHeader == NextHeaders.Fragment)
            return EspVerdict.InMode;
        int headerLength = outer.IsIPv6 ? IpHeader.IPv6Length : IpHeader.IPv4Length;
        int total = headerLength + payload.Length;
        if (total - (outer.IsIPv6 ? IpHeader.IPv6Length : 0) > ushort.MaxValue)
            return EspVerdict.InInnerMalformed;
        if (total > destination.Length)
            return EspVerdict.InBuffer;
        if (outer.IsIPv6)
            IpHeader.WriteIPv6(destination, outerTrafficClass, payload.Length, nextHeader, outer.Source, outer.Destination);
        else
            IpHeader.WriteIPv4(destination, outerTrafficClass, total, id: 0, dontFragment: true, nextHeader, (uint)outer.Source, (uint)outer.Destination);
        payload.CopyTo(destination[headerLength..]);
        if (!FlowKey.TryRead(destination[..total], out FlowKey key) || key.IsFragment)
            return EspVerdict.InInnerMalformed;
        if (!_selectors.MatchesInbound(key))
            return EspVerdict.InSelector;
        if (_fixChecksums)
            TransportChecksum.Recompute(destination[..total], key);
        length = total;
        return EspVerdict.Ok;
    }
}
