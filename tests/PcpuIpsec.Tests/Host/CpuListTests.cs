using FsCheck;
using FsCheck.Fluent;
using PcpuIpsec.Host;

namespace PcpuIpsec.Tests.Host;

public class CpuListTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("0-3,8", "0,1,2,3,8")]
    [InlineData("8,0-3", "0,1,2,3,8")]
    [InlineData(" 1 , 2-3 \n", "1,2,3")]
    [InlineData("1,1,0-2", "0,1,2")]
    [InlineData("", "")]
    [InlineData("8191", "8191")]
    public void A_list_is_read_in_order_and_without_duplicates(string text, string expected)
        => Assert.Equal(expected, string.Join(',', CpuList.Parse(text)));

    [Theory]
    [InlineData("x", "'x' is no CPU number")]
    [InlineData("1,", "'' is no CPU number")]
    [InlineData("-1", "'' is no CPU number")]
    [InlineData("1-", "'' is no CPU number")]
    [InlineData("1-2-3", "'2-3' is no CPU number")]
    [InlineData("+1", "'+1' is no CPU number")]
    [InlineData("0x1", "'0x1' is no CPU number")]
    [InlineData("3-1", "the range 3-1 runs backwards")]
    [InlineData("8192", "8192 is above the largest CPU number, 8191")]
    [InlineData("0-99999999", "99999999 is above")]
    [InlineData("99999999999", "'99999999999' is no CPU number")]
    public void A_bad_list_names_the_option_its_value_and_what_is_wrong(string text, string reason)
    {
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => CpuList.Parse(text, "--cpus"));
        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.StartsWith($"--cpus = '{text}': {reason}", e.Message);
        Assert.EndsWith("allowed are CPU numbers and ascending ranges such as 0-3,8.", e.Message);
    }

    [Theory]
    [InlineData(new int[0], "")]
    [InlineData(new[] { 5 }, "5")]
    [InlineData(new[] { 0, 1 }, "0-1")]
    [InlineData(new[] { 3, 2, 0, 0, 8 }, "0,2-3,8")]
    public void A_list_is_written_in_the_kernels_shortest_form(int[] cpus, string expected)
        => Assert.Equal(expected, CpuList.Format(cpus));

    [Fact]
    public void What_is_written_reads_back_as_the_same_set()
        => Check.One(Config.QuickThrowOnFailure.WithReplay(9611, 1), Prop.ForAll(
            ArbMap.Default.ArbFor<int[]>(),
            numbers =>
            {
                int[] cpus = [.. numbers.Select(n => (int)((uint)n % CpuList.Limit)).Distinct().Order()];
                return CpuList.Parse(CpuList.Format(cpus)).SequenceEqual(cpus);
            }));

    [Fact]
    public void No_text_does_anything_but_parse_or_name_its_fault()
        => Check.One(Config.QuickThrowOnFailure.WithReplay(9611, 3), Prop.ForAll(
            Gen.Elements("0123456789-,, x".ToCharArray()).ListOf().ToArbitrary(),
            characters =>
            {
                string text = string.Concat(characters);
                try
                {
                    IReadOnlyList<int> cpus = CpuList.Parse(text);
                    return CpuList.Parse(CpuList.Format(cpus)).SequenceEqual(cpus);
                }
                catch (PcpuIpsecException e)
                {
                    return e.Error == PcpuIpsecError.InvalidOption;
                }
            }));
}
