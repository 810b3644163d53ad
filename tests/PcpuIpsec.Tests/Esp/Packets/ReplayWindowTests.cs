using PcpuIpsec.Esp.Packets;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class ReplayWindowTests
{
    /// <summary>What RFC 4303 says, with a set in place of bits and 128-bit numbers in place of halves.</summary>
    private sealed class Model(uint size, bool esn, ulong highest)
    {
        private readonly HashSet<ulong> _seen = [];
        private ulong _highest = highest;

        public bool TryCheck(uint low, out ulong sequence)
        {
            sequence = low;
            if (esn)
            {
                // Of all numbers with this low half, the first that is not left of the window.
                Int128 bottom = (Int128)_highest - size + 1;
                Int128 candidate = ((bottom >> 32) << 32) | low;
                if (candidate < bottom)
                    candidate += (Int128)1 << 32;
                if (candidate < 0 || candidate > ulong.MaxValue)
                    return false;
                sequence = (ulong)candidate;
            }
            return sequence != 0 && (Int128)sequence > (Int128)_highest - size && !_seen.Contains(sequence);
        }

        public void Accept(ulong sequence)
        {
            _seen.Add(sequence);
            _highest = Math.Max(_highest, sequence);
        }
    }

    public static TheoryData<int, bool, ulong> Starts
    {
        get
        {
            TheoryData<int, bool, ulong> data = [];
            foreach (int size in (int[])[64, 65, 127, 128, 1000, 4096])
            {
                data.Add(size, false, 0);
                data.Add(size, false, uint.MaxValue - 5000ul);
                foreach (ulong start in (ulong[])[0, (1ul << 32) - 5000, 1ul << 32, (1ul << 32) + 30, (7ul << 32) - 3, ulong.MaxValue - 5000])
                    data.Add(size, true, start);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public void Agrees_with_a_naive_model_whatever_arrives(int size, bool esn, ulong start)
    {
        Random random = new(size * 31 + (int)(start >> 20));
        ReplayWindow window = new(size, esn, start);
        Model model = new((uint)size, esn, start);
        ulong next = start;
        int accepted = 0;
        for (int i = 0; i < 20_000; i++)
        {
            ulong sent = random.Next(100) switch
            {
                < 60 => next + 1,
                < 80 => next - (ulong)random.Next(size + 200),
                < 90 => next + (ulong)random.Next(size),
                < 95 => next - (ulong)size + (ulong)random.Next(5) - 2,
                < 97 => next + (ulong)random.Next(20 * size),
                _ => (ulong)random.NextInt64(),
            };
            bool expected = model.TryCheck((uint)sent, out ulong expectedSequence);
            bool actual = window.TryCheck((uint)sent, out ulong sequence);
            Assert.Equal(expected, actual);
            if (!actual)
                continue;
            Assert.Equal(expectedSequence, sequence);
            // Far numbers are forged: they pass the check and then fail the ICV.
            if (sequence > next && sequence - next > 30ul * (ulong)size)
                continue;
            model.Accept(sequence);
            window.Accept(sequence);
            next = Math.Max(next, sequence);
            Assert.Equal(next, window.Highest);
            Assert.False(window.TryCheck((uint)sequence, out ulong again) && again == sequence);
            accepted++;
        }
        // Those that start near the end of the numbers soon have none left.
        Assert.True(accepted > 50, $"only {accepted} were accepted");
    }

    [Fact]
    public void Nothing_is_accepted_twice_and_everything_in_the_window_once()
    {
        ReplayWindow window = new(64, esn: false);
        Accept(window, 1000);
        for (uint sequence = 1000 - 63; sequence < 1000; sequence++)
        {
            Accept(window, sequence);
            Assert.False(window.TryCheck(sequence, out _));
        }
        Assert.False(window.TryCheck(1000 - 64, out _));
    }

    [Fact]
    public void Zero_is_no_number()
    {
        Assert.False(new ReplayWindow(64, esn: false).TryCheck(0, out _));
        Assert.False(new ReplayWindow(64, esn: true).TryCheck(0, out _));
        Assert.True(new ReplayWindow(64, esn: true, uint.MaxValue).TryCheck(0, out ulong sequence));
        Assert.Equal(1ul << 32, sequence);
    }

    [Fact]
    public void A_check_alone_moves_nothing()
    {
        ReplayWindow window = new(64, esn: false);
        Assert.True(window.TryCheck(4_000_000_000, out _));
        Assert.True(window.TryCheck(4_000_000_000, out _));
        Assert.Equal(0ul, window.Highest);
        Accept(window, 1);
    }

    [Fact]
    public void A_jump_over_the_whole_ring_forgets_what_lay_before()
    {
        ReplayWindow window = new(64, esn: false);
        for (uint sequence = 1; sequence <= 64; sequence++)
            Accept(window, sequence);
        Accept(window, 64 + 128 * 1000);
        for (uint back = 1; back < 64; back++)
            Accept(window, 64 + 128 * 1000 - back);
    }

    [Fact]
    public void Without_a_window_duplicates_pass_and_extended_numbers_are_still_inferred()
    {
        ReplayWindow window = new(0, esn: false);
        Accept(window, 7);
        Accept(window, 7);
        ReplayWindow extended = new(0, esn: true, (3ul << 32) + 5);
        Assert.True(extended.TryCheck(6, out ulong sequence));
        Assert.Equal((3ul << 32) + 6, sequence);
        Assert.True(extended.TryCheck(uint.MaxValue, out sequence));
        Assert.Equal((2ul << 32) + uint.MaxValue, sequence);
    }

    private static void Accept(ReplayWindow window, uint low)
    {
        Assert.True(window.TryCheck(low, out ulong sequence), $"{low} is refused");
        window.Accept(sequence);
    }
}
