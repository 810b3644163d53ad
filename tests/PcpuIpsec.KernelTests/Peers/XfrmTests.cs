using PcpuIpsec.Gateway;
using PcpuIpsec.KernelTests.Guest;
using Xunit.Abstractions;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>strongSwan on the VM's kernel, and our gateway on the same.</summary>
public sealed class XfrmFixture : PeerFixture
{
    private protected override Task<PeerLab> CreateAsync()
        => PeerLab.CreateAsync(DataPlaneKind.Kernel, StrongSwanPlane.Kernel, new PeerSystem(tree: null, Folder));

    private protected override void Keep(StrongSwanLog log) => File.WriteAllText(Path.Combine(GuestMachine.ResultsFolder, "strongswan.log"), log.Text);
}

/// <summary>Our gateway against strongSwan with the kernel's ESP and its acquires for each CPU.</summary>
public sealed class XfrmTests(XfrmFixture fixture, ITestOutputHelper output) : StrongSwanKernelScenarios(fixture, output), IClassFixture<XfrmFixture>;
