using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Host;

public class HostCpusTests
{
    [Fact]
    public void Allowed_CPUs_are_online_and_online_ones_are_possible()
    {
        Assert.NotEmpty(HostCpus.Allowed());
        Assert.Subset(HostCpus.Online().ToHashSet(), HostCpus.Allowed().ToHashSet());
        Assert.Subset(HostCpus.Possible().ToHashSet(), HostCpus.Online().ToHashSet());
    }

    [Fact]
    public void A_pinned_thread_runs_there_and_nowhere_else()
    {
        int cpu = HostCpus.Allowed()[^1];
        IReadOnlyList<int>? allowed = null;
        int current = -1;
        var thread = new Thread(() =>
        {
            HostCpus.PinCurrentThread(cpu);
            allowed = HostCpus.Allowed();
            current = Libc.SchedGetCpu();
        });
        thread.Start();
        thread.Join();

        Assert.Equal([cpu], allowed);
        Assert.Equal(cpu, current);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(8192)]
    public void A_CPU_that_no_kernel_has_is_refused(int cpu)
        => Assert.Equal($"cpu = {cpu}: allowed are 0 to 8191.", Assert.Throws<PcpuIpsecException>(() => HostCpus.PinCurrentThread(cpu)).Message);

    [Fact]
    public void Pinning_to_a_CPU_that_is_not_there_names_those_that_are()
    {
        int absent = HostCpus.Possible()[^1] + 1;
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => HostCpus.PinCurrentThread(absent));
        Assert.Equal(PcpuIpsecError.HostUnable, e.Error);
        Assert.Contains($"CPU {absent} (online and allowed: {CpuList.Format(HostCpus.Allowed())})", e.Message);
    }

    [Theory]
    [InlineData("6.18.44-fc-v657", "6.18.44")]
    [InlineData("7.2.12+deb14-amd64", "7.2.12")]
    [InlineData("6.1", "6.1.0")]
    [InlineData("6.13-rc2", "6.13.0")]
    [InlineData("5.15.0.1-generic", "5.15.0")]
    public void A_kernel_release_is_read_to_its_first_foreign_sign(string release, string expected)
        => Assert.Equal(Version.Parse(expected), HostCpus.ParseKernelVersion(release));

    [Fact]
    public void The_host_has_a_kernel_a_model_and_memory()
    {
        Assert.True(HostCpus.KernelVersion() >= new Version(4, 0));
        Assert.NotEmpty(HostCpus.ModelName());
        Assert.InRange(HostCpus.MemoryBytes(), 64L << 20, 1L << 50);
    }

    [Fact]
    public void CPU_times_are_taken_from_the_kernels_columns()
    {
        CpuTimes times = CpuTimes.Parse("""
            cpu  9 9 9 9 9 9 9 9 9 9
            cpu0 100 20 30 400 50 6 70 8 90 10
            cpu12 1 2 3 4
            intr 12345 0 0
            """);

        Assert.Equal([0, 12], times.ByCpu.Keys.Order());
        Assert.Equal(new CpuTime(0, User: 120, System: 30, Idle: 450, Irq: 6, SoftIrq: 70, Steal: 8), times.ByCpu[0]);
        Assert.Equal(new CpuTime(12, User: 3, System: 3, Idle: 4, Irq: 0, SoftIrq: 0, Steal: 0), times.ByCpu[12]);
        Assert.Equal((226L, 684L), (times.ByCpu[0].Busy, times.ByCpu[0].Total));
    }

    [Fact]
    public void What_was_spent_between_samples_leaves_out_CPUs_that_were_not_in_both()
    {
        CpuTimes earlier = CpuTimes.Parse("cpu0 1 1 1 1 1 1 1 1\ncpu1 1 1 1 1 1 1 1 1");
        CpuTimes later = CpuTimes.Parse("cpu0 2 3 4 5 6 7 8 9\ncpu2 1 1 1 1 1 1 1 1");

        Assert.Equal([new CpuTime(0, User: 3, System: 3, Idle: 9, Irq: 6, SoftIrq: 7, Steal: 8)], later.Since(earlier));
    }

    [Fact]
    public void Every_online_CPU_has_its_times()
        => Assert.Equal(HostCpus.Online(), CpuTimes.Read().ByCpu.Keys.Order());
}
