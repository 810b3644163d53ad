using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public class IrqPlanTests
{
    // Two nodes of two cores with two threads each: 0-1,4-5 are node 0, 2-3,6-7 node 1; CPU 3 is isolated.
    private static readonly CpuPlace[] _cpus = [.. Enumerable.Range(0, 8).Select(c => new CpuPlace(c, c / 2 % 2, c / 2 % 2, [c % 4, c % 4 + 4], c == 3, null))];

    [Theory]
    [InlineData(IrqPolicy.Spread, 0, null, new[] { 0, 1, 2, 4, 5, 6, 7 })]
    [InlineData(IrqPolicy.NumaLocal, 1, null, new[] { 2, 6, 7 })]
    [InlineData(IrqPolicy.NumaLocal, -1, null, new[] { 0, 1, 2, 4, 5, 6, 7 })]
    [InlineData(IrqPolicy.Single, 0, null, new[] { 0 })]
    [InlineData(IrqPolicy.Spread, 0, new[] { 5, 3 }, new[] { 5, 3 })]
    [InlineData(IrqPolicy.NumaLocal, 0, new[] { 6, 5, 4 }, new[] { 5, 4 })]
    [InlineData(IrqPolicy.NumaLocal, 0, new[] { 6, 7 }, null)]
    [InlineData(IrqPolicy.Single, 0, new[] { 7, 1 }, new[] { 7 })]
    public void A_policy_tells_the_CPUs_in_order(object policy, int node, int[]? wanted, int[]? order)
    {
        if (order is null)
            Assert.Throws<PcpuIpsecException>(() => IrqPlan.CpusOf((IrqPolicy)policy, _cpus, node, wanted));
        else
            Assert.Equal(order, IrqPlan.CpusOf((IrqPolicy)policy, _cpus, node, wanted));
    }

    [Fact]
    public void A_CPU_that_is_not_online_is_named()
        => Assert.Contains("CPU 9 is not online; allowed are 0-7", Assert.Throws<PcpuIpsecException>(() => IrqPlan.CpusOf(IrqPolicy.Spread, _cpus, 0, [1, 9])).Message, StringComparison.Ordinal);
}
