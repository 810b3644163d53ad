using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public class CpuMaskTests
{
    [Theory]
    [InlineData("0", new int[0])]
    [InlineData("3", new[] { 0, 1 })]
    [InlineData("80000000", new[] { 31 })]
    [InlineData("1,00000000", new[] { 32 })]
    [InlineData("80000000,00000000,00000001", new[] { 0, 95 })]
    public void Masks_are_words_of_32_bits_the_highest_first(string mask, int[] cpus)
    {
        Assert.Equal(cpus, CpuMask.Parse(mask));
        Assert.Equal(mask, CpuMask.Format(cpus));
    }

    [Theory]
    [InlineData("3", "00000003", true)]
    [InlineData("3", "00000000,00000003", true)]
    [InlineData("00000000,00000000", "0", true)]
    [InlineData("30", "3", false)]
    [InlineData("1000", "1001", false)]
    public void Zeros_before_a_mask_mean_nothing(string one, string other, bool same) => Assert.Equal(same, CpuMask.AreSame(one, other));

    [Fact]
    public void What_is_no_mask_is_the_same_as_itself_alone()
    {
        Assert.True(CpuMask.AreSame("rx 4", "rx 4"));
        Assert.False(CpuMask.AreSame("rx 4", "rx 04"));
    }
}
