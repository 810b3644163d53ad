using PcpuIpsec.Esp;

namespace PcpuIpsec.Tests.Esp;

public sealed class HostRequirementsTests
{
    private const ulong NetBindService = 1UL << 10, NetAdmin = 1UL << 12, NetRaw = 1UL << 13, SysAdmin = 1UL << 21, Bpf = 1UL << 39;

    [Theory]
    [InlineData(NetBindService | NetAdmin | NetRaw | Bpf, true)]
    [InlineData(NetBindService | NetAdmin | NetRaw | SysAdmin, true)]
    [InlineData(NetBindService | NetAdmin | NetRaw, false)]
    public void What_is_enough_passes(ulong effective, bool needsBpf) => HostRequirements.CheckCapabilities(effective, needsBpf);

    [Fact]
    public void All_that_is_missing_is_named_at_once()
    {
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => HostRequirements.CheckCapabilities(NetRaw, needsBpf: true));
        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains("CAP_NET_ADMIN", e.Message);
        Assert.Contains("CAP_NET_BIND_SERVICE", e.Message);
        Assert.Contains("CAP_BPF", e.Message);
        Assert.DoesNotContain("CAP_NET_RAW", e.Message);
    }

    [Theory]
    [InlineData(new int[0], "0 entries")]
    [InlineData(new[] { 0, 4 }, "CPU 4")]
    [InlineData(new[] { 1, 1 }, "CPU 1 twice")]
    public void A_wrong_list_of_CPUs_is_refused_with_what_is_allowed(int[] cpus, string expected)
    {
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => HostRequirements.CheckCpus(cpus, [0, 1, 2]));
        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.Contains(expected, e.Message);
        Assert.Contains("allowed", e.Message);
    }

    public static TheoryData<string> WrongOptions => ["name", "mtu", "mark", "port"];

    [Theory]
    [MemberData(nameof(WrongOptions))]
    public void A_wrong_option_is_named(string which)
    {
        EmbeddedOptions right = new() { Cpus = [0] };
        (EmbeddedOptions options, string expected) = which switch
        {
            "name" => (right with { InterfaceName = "longer than fifteen" }, "InterfaceName = 'longer than fifteen'"),
            "mtu" => (right with { Mtu = 1279 }, "Mtu = 1279"),
            "mark" => (right with { FwMark = 0 }, "FwMark = 0"),
            _ => (right with { NatTraversalPort = 0 }, "NatTraversalPort = 0"),
        };
        Assert.Contains(expected, Assert.Throws<PcpuIpsecException>(() => HostRequirements.Check(options)).Message);
    }
}
