using System.Net;
using PcpuIpsec.Esp;
using PcpuIpsec.Host;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>What a host has to have, and what is said where it has not.</summary>
[Collection("namespaces")]
public sealed class PlaneCreationTests
{
    [Theory]
    [InlineData("net_admin")]
    [InlineData("net_raw")]
    [InlineData("net_bind_service")]
    public void A_missing_capability_is_named(string capability)
        => Assert.Contains($"HostUnable: The embedded data plane lacks CAP_{capability.ToUpperInvariant()} (", PlaneProcess.CreateWithout(capability));

    [Fact]
    public void Without_BPF_and_SYS_ADMIN_the_former_is_named()
        => Assert.Contains("lacks CAP_BPF (", PlaneProcess.CreateWithout("bpf,-sys_admin"));

    [Fact]
    public async Task A_CPU_that_is_not_there_is_refused_with_those_that_are()
    {
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await CreateAsync(new EmbeddedOptions { Cpus = [0, 999] }));
        Assert.Equal(PcpuIpsecError.InvalidOption, e.Error);
        Assert.Contains("999", e.Message);
        Assert.Contains(CpuList.Format(HostCpus.Allowed()), e.Message);
    }

    [Fact]
    public async Task An_interface_that_exists_is_not_shared()
    {
        using var network = new TestNetwork();
        EmbeddedOptions options = new() { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(network.WestName) };
        await using EmbeddedDataPlane plane = await CreateAsync(options);
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await CreateAsync(options));
        Assert.Contains("InterfaceName = 'pcpu0'", e.Message);
    }

    [Fact]
    public async Task Disposing_leaves_no_interface_no_thread_and_no_descriptor()
    {
        using var network = new TestNetwork();
        EmbeddedOptions options = new() { Cpus = [0, 1], NetworkNamespace = TestNetwork.PathOf(network.WestName) };
        async Task UseAsync()
        {
            await using EmbeddedDataPlane plane = await CreateAsync(options);
            using var socket = plane.OpenEncapsulationSocket(new IPEndPoint(IPAddress.Any, 4500));
        }
        await UseAsync();
        int descriptors = Directory.GetFiles("/proc/self/fd").Length;
        for (int i = 0; i < 5; i++)
            await UseAsync();
        Assert.True(Directory.GetFiles("/proc/self/fd").Length <= descriptors + 2);
        Assert.DoesNotContain("pcpu0", TestNetwork.Ip($"-n {network.WestName} link"));
        Assert.DoesNotContain(Directory.GetDirectories("/proc/self/task"), t => File.ReadAllText($"{t}/comm").StartsWith("pcpu-esp", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_default_MTU_leaves_room_on_the_smallest_link()
    {
        using var network = new TestNetwork();
        TestNetwork.Ip($"-n {network.WestName} link set wire mtu 1450");
        await using EmbeddedDataPlane plane = await CreateAsync(new EmbeddedOptions { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(network.WestName) });
        Assert.Equal(1350, plane.Mtu);
        Assert.Contains("mtu 1350", TestNetwork.Ip($"-n {network.WestName} link show pcpu0"));
    }

    [Fact]
    public async Task A_port_that_another_program_has_is_named()
    {
        using var network = new TestNetwork();
        using var other = TestTraffic.Open(network.West, IPAddress.Parse(TestNetwork.WestOuter4), 4500);
        await using EmbeddedDataPlane plane = await CreateAsync(new EmbeddedOptions { Cpus = [0], NetworkNamespace = TestNetwork.PathOf(network.WestName) });
        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => plane.OpenEncapsulationSocket(new IPEndPoint(IPAddress.Parse(TestNetwork.WestOuter4), 4500)));
        Assert.Contains("192.0.2.1:4500", e.Message);
        Assert.Contains($"(process {Environment.ProcessId}) has that port", e.Message);
    }

    [Fact]
    public async Task An_SA_for_a_CPU_that_the_plane_does_not_serve_is_refused()
    {
        using var network = new TestNetwork();
        await using EmbeddedDataPlane plane = await CreateAsync(new EmbeddedOptions { Cpus = [1], NetworkNamespace = TestNetwork.PathOf(network.WestName) });
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(async () => await plane.InstallAsync(ManualTunnel.Sa(new TunnelShape(), SaDirection.Outbound, 4711, ofWest: true, cpu: 0), default));
        Assert.Contains("Cpu = 0", e.Message);
    }

    private static ValueTask<EmbeddedDataPlane> CreateAsync(EmbeddedOptions options) => EmbeddedDataPlane.CreateAsync(options, default);
}
