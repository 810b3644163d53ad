using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.KernelTests.Vm;
using Xunit.Abstractions;
using Xunit.Sdk;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>On a class of peer tests: they run on the host, with <c>dotnet test</c>. Without it they run in the VM.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class OnHostAttribute : Attribute;

/// <summary>A fact of a class of peer tests; the class says where it runs.</summary>
[XunitTestCaseDiscoverer("PcpuIpsec.KernelTests.Peers.PeerFactDiscoverer", "PcpuIpsec.KernelTests")]
public sealed class PeerFactAttribute : KernelFactAttribute;

/// <summary>A theory of a class of peer tests; the class says where it runs.</summary>
[XunitTestCaseDiscoverer("PcpuIpsec.KernelTests.Peers.PeerTheoryDiscoverer", "PcpuIpsec.KernelTests")]
public sealed class PeerTheoryAttribute : KernelTheoryAttribute;

public sealed class PeerFactDiscoverer(IMessageSink diagnostics) : IXunitTestCaseDiscoverer
{
    private readonly FactDiscoverer _facts = new(diagnostics);

    public IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute)
        => IsHere(testMethod) ? _facts.Discover(discoveryOptions, testMethod, factAttribute) : [];

    internal static bool IsHere(ITestMethod method)
        => GuestMachine.Current == (method.TestClass.Class.GetCustomAttributes(typeof(OnHostAttribute)).Any() ? null : Machine.FourCpus);
}

public sealed class PeerTheoryDiscoverer(IMessageSink diagnostics) : IXunitTestCaseDiscoverer
{
    private readonly TheoryDiscoverer _theories = new(diagnostics);

    public IEnumerable<IXunitTestCase> Discover(ITestFrameworkDiscoveryOptions discoveryOptions, ITestMethod testMethod, IAttributeInfo factAttribute)
        => PeerFactDiscoverer.IsHere(testMethod) ? _theories.Discover(discoveryOptions, testMethod, factAttribute) : [];
}
