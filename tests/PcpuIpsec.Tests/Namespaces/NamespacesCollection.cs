namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Tests with real packets in network namespaces, one at a time: they share the CPUs that they pin to.</summary>
[CollectionDefinition("namespaces", DisableParallelization = true)]
public sealed class NamespacesCollection;
