namespace PcpuIpsec.Esp.Packets;

/// <summary>
/// Anti-replay (RFC 4303 §3.4.3) for one thread: the highest sequence number seen and, as a ring of bits so that
/// nothing is ever shifted (RFC 6479), which ones of the window below it. Infers the high half of extended sequence
/// numbers as appendix A2 has it.
/// </summary>
internal sealed class ReplayWindow
{
    /// <summary>With the check off, the half of the number space that lies behind the highest number.</summary>
    private const uint UncheckedReach = 1u << 31;

    private readonly uint _size;
    private readonly uint _reach;
    private readonly bool _esn;
    private readonly ulong[] _bits;
    private readonly ulong _mask;

    /// <param name="size">Packets that the window holds; 0 turns the check off.</param>
    /// <param name="esn">Sequence numbers have 64 bits, of which the packet carries the lower half.</param>
    /// <param name="highest">Where an SA goes on: the highest number seen.</param>
    public ReplayWindow(int size, bool esn, ulong highest = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, 1 << 20);
        _size = (uint)size;
        _reach = size == 0 ? UncheckedReach : _size;
        _esn = esn;
        Highest = highest;
        // One block more than the window needs, since the one that the highest number is in fills gradually.
        _bits = size == 0 ? [] : new ulong[System.Numerics.BitOperations.RoundUpToPowerOf2((_size + 63) / 64 + 1)];
        _mask = (ulong)_bits.Length - 1;
    }

    /// <summary>The highest authentic sequence number; 0 before the first.</summary>
    public ulong Highest { get; private set; }

    /// <summary>Checks a number before the ICV is (§3.4.3) and tells what it is in full.</summary>
    /// <returns>False where it was seen, is left of the window or cannot be.</returns>
    public bool TryCheck(uint low, out ulong sequence)
    {
        if (!TryInfer(low, out sequence) || sequence == 0)
            return false;
        if (_size == 0 || sequence > Highest)
            return true;
        return Highest - sequence < _size && (_bits[(sequence >> 6) & _mask] & (1ul << (int)(sequence & 63))) == 0;
    }

    /// <summary>Takes a number in whose packet turned out authentic.</summary>
    public void Accept(ulong sequence)
    {
        if (sequence > Highest)
        {
            if (_size != 0)
                Clear(Highest >> 6, sequence >> 6);
            Highest = sequence;
        }
        if (_size != 0)
            _bits[(sequence >> 6) & _mask] |= 1ul << (int)(sequence & 63);
    }

    /// <summary>Empties the blocks that the window enters.</summary>
    private void Clear(ulong from, ulong to)
    {
        if (to - from >= (ulong)_bits.Length)
        {
            Array.Clear(_bits);
            return;
        }
        while (from != to)
            _bits[++from & _mask] = 0;
    }

    /// <summary>RFC 4303 §A2.2: the high half under which the number lies nearest to the window.</summary>
    private bool TryInfer(uint low, out ulong sequence)
    {
        sequence = low;
        if (!_esn)
            return true;
        uint highestLow = (uint)Highest;
        uint high = (uint)(Highest >> 32);
        uint bottom = unchecked(highestLow - _reach + 1);
        if (highestLow >= _reach - 1)
        {
            // Case A: the window lies within one 32-bit space; what is below it is of the next.
            if (low < bottom && high++ == uint.MaxValue)
                return false;
        }
        else if (low >= bottom && high-- == 0)
        {
            // Case B: the window spans two spaces, and before the first there is none.
            return false;
        }
        sequence = ((ulong)high << 32) | low;
        return true;
    }
}
