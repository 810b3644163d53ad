using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Vm;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>strongSwan with ESP in UDP in its own process (kernel-libipsec), from the forky tree, on this host's kernel.</summary>
public sealed class LibipsecFixture(IMessageSink diagnostics) : PeerFixture
{
    private protected override async Task<PeerLab> CreateAsync()
    {
        ForkyRoot root = await ForkyRoot.EnsureAsync(line => diagnostics.OnMessage(new Xunit.Sdk.DiagnosticMessage(line)), CancellationToken.None);
        return await PeerLab.CreateAsync(DataPlaneKind.Embedded, StrongSwanPlane.Process, new PeerSystem(root.Tree, Folder));
    }
}

/// <summary>Our embedded data plane against strongSwan's: no kernel with ESP is needed, and no VM.</summary>
[OnHost]
public sealed class LibipsecTests(LibipsecFixture fixture, ITestOutputHelper output) : StrongSwanNegotiationScenarios(fixture, output), IClassFixture<LibipsecFixture>;
