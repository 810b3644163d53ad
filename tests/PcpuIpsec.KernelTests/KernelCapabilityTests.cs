using PcpuIpsec.KernelTests.Guest;

namespace PcpuIpsec.KernelTests;

/// <summary>What the rest relies on: this kernel has ESP and binds SAs to CPUs.</summary>
public sealed class KernelCapabilityTests
{
    [KernelFact]
    public void The_kernel_is_newer_than_the_first_with_per_CPU_SAs()
        => Assert.True(PcpuIpsec.Host.HostCpus.KernelVersion() >= new Version(6, 13));
}
