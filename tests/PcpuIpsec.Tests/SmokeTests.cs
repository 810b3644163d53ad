namespace PcpuIpsec.Tests;

public class SmokeTests
{
    [Fact]
    public void The_library_loads() => Assert.Equal("PcpuIpsec", typeof(PcpuIpsec.PcpuIpsecException).Assembly.GetName().Name);
}
