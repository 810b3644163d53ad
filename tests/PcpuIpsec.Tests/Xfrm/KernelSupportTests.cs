using PcpuIpsec.Netlink;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>What is found out about a kernel by trying.</summary>
public sealed class KernelSupportTests
{
    private const int Enosys = 38, Eprotonosupport = 93;

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_kernel_that_lacks_a_cipher_has_ESP_all_the_same(int missing)
    {
        using var kernel = new FakeXfrm();
        int asked = 0;
        kernel.Refuse = line => !line.StartsWith("del ", StringComparison.Ordinal) && asked++ < missing ? Enosys : 0;

        KernelSupport support = KernelSupport.Probe(new XfrmSocket(new NetlinkSocket(kernel, clearAnswers: true)));

        Assert.True(support is { Direction: true, PerCpu: true });
        Assert.Equal(missing + 1, asked);
        Assert.Empty(kernel.States);
    }

    [Theory]
    [InlineData(Enosys, 3, "no cipher for ESP that we know")]
    [InlineData(Eprotonosupport, 1, "no ESP for IPv4")]
    public void A_kernel_that_takes_no_state_is_told_in_a_sentence(int errno, int tries, string missing)
    {
        using var kernel = new FakeXfrm();
        int asked = 0;
        kernel.Refuse = line =>
        {
            asked++;
            return errno;
        };

        var error = Assert.Throws<PcpuIpsecException>(() => KernelSupport.Probe(new XfrmSocket(new NetlinkSocket(kernel, clearAnswers: true))));

        Assert.Equal(PcpuIpsecError.HostUnable, error.Error);
        Assert.StartsWith("The kernel data plane cannot be had: Linux ", error.Message, StringComparison.Ordinal);
        Assert.Contains(missing, error.Message, StringComparison.Ordinal);
        Assert.Equal(tries, asked);
    }
}
