using PcpuIpsec.KernelTests.Vm;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace PcpuIpsec.KernelTests.Guest;

/// <summary>A test that runs in the VM, and exists nowhere else: <c>dotnet test</c> on the host does not see it.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("PcpuIpsec.KernelTests.Guest.KernelFactDiscoverer", "PcpuIpsec.KernelTests")]
public class KernelFactAttribute : FactAttribute
{
    public KernelFactAttribute() => Timeout = GuestMachine.TestLimitMilliseconds;

    /// <summary>Where it runs.</summary>
    public Machine Machine { get; init; } = Machine.FourCpus;
}

/// <summary>A theory whose rows each are a test in the VM.</summary>
[AttributeUsage(AttributeTargets.Method)]
[XunitTestCaseDiscoverer("PcpuIpsec.KernelTests.Guest.KernelTheoryDiscoverer", "PcpuIpsec.KernelTests")]
public class KernelTheoryAttribute : TheoryAttribute
{
    public KernelTheoryAttribute() => Timeout = GuestMachine.TestLimitMilliseconds;

    /// <inheritdoc cref="KernelFactAttribute.Machine"/>
    public Machine Machine { get; init; } = Machine.FourCpus;
}

/// <summary>Finds the facts of the machine that this process runs on.</summary>
public sealed class KernelFactDiscoverer(IMessageSink diagnostics) : IXunitTestCaseDiscoverer
{
    private readonly FactDiscoverer _facts = new(diagnostics);

    public IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute)
        => GuestMachine.Current == factAttribute.GetNamedArgument<Machine>(nameof(KernelFactAttribute.Machine)) ? _facts.Discover(discoveryOptions, testMethod, factAttribute) : [];
}

/// <summary>Finds the theories of the machine that this process runs on.</summary>
public sealed class KernelTheoryDiscoverer(IMessageSink diagnostics) : IXunitTestCaseDiscoverer
{
    private readonly TheoryDiscoverer _theories = new(diagnostics);

    public IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute)
        => GuestMachine.Current == factAttribute.GetNamedArgument<Machine>(nameof(KernelTheoryAttribute.Machine)) ? _theories.Discover(discoveryOptions, testMethod, factAttribute) : [];
}
