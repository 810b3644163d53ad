using PcpuIpsec.Esp.Packets;

namespace PcpuIpsec.Tests.Esp.Packets;

public sealed class EcnTests
{
    private const int Drop = -1;

    /// <summary>RFC 6040 §4.2, figure 4: rows are the inner field, columns the outer one: Not-ECT, ECT(0), ECT(1), CE.</summary>
    [Theory]
    [InlineData(Ecn.NotEct, Ecn.NotEct, Ecn.NotEct, Ecn.NotEct, Drop)]
    [InlineData(Ecn.Ect0, Ecn.Ect0, Ecn.Ect0, Ecn.Ect1, Ecn.CongestionExperienced)]
    [InlineData(Ecn.Ect1, Ecn.Ect1, Ecn.Ect1, Ecn.Ect1, Ecn.CongestionExperienced)]
    [InlineData(Ecn.CongestionExperienced, Ecn.CongestionExperienced, Ecn.CongestionExperienced, Ecn.CongestionExperienced, Ecn.CongestionExperienced)]
    public void Fields_combine_as_RFC_6040_has_it(byte inner, int notEct, int ect0, int ect1, int congestion)
    {
        foreach ((byte outer, int expected) in ((byte, int)[])[(Ecn.NotEct, notEct), (Ecn.Ect0, ect0), (Ecn.Ect1, ect1), (Ecn.CongestionExperienced, congestion)])
        {
            // The outer DSCP is never taken over.
            Assert.Equal(expected != Drop, Ecn.TryDecapsulate((byte)(0xb8 | inner), (byte)(0x28 | outer), out byte result));
            if (expected != Drop)
                Assert.Equal(0xb8 | expected, result);
        }
    }

    [Fact]
    public void The_fields_have_the_numbers_of_RFC_3168()
        => Assert.Equal([0, 1, 2, 3], (int[])[Ecn.NotEct, Ecn.Ect1, Ecn.Ect0, Ecn.CongestionExperienced]);
}
