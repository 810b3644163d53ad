using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Esp;

/// <summary>ESP in user space (RFC 4303): a multi-queue TUN, one pinned worker a CPU, for hosts whose kernel cannot.</summary>
internal sealed class EmbeddedDataPlane : IDataPlane
{
    public string Name => "embedded";

    public DataPlaneAbilities Abilities { get; } = new(PerCpuSa: true, PerCpuAcquire: true, TransportMode: true, Encapsulation: true, ReportsFirstInbound: true);

    public IReadOnlyList<int> Cpus => throw new NotSupportedException();

    public ChannelReader<DataPlaneEvent> Events => throw new NotSupportedException();

    /// <summary>Makes the TUN, the sockets and the workers.</summary>
    /// <exception cref="PcpuIpsecException">The host lacks a device or a capability, or a CPU is not there; the message says which.</exception>
    public static ValueTask<EmbeddedDataPlane> CreateAsync(EmbeddedOptions options, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask HoldAsync(TrafficPolicy policy, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask ReleaseAsync(string connection, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Socket OpenEncapsulationSocket(IPEndPoint local) => throw new NotSupportedException();

    public Socket OpenIkeSocket(IPEndPoint local) => throw new NotSupportedException();

    public ValueTask<uint> ReserveSpiAsync(string connection, int? cpu, IPAddress local, IPAddress remote, CancellationToken cancellationToken) => throw new NotSupportedException();

    public void ReleaseSpi(uint spi, IPAddress local) => throw new NotSupportedException();

    public ValueTask InstallAsync(SaInstallation sa, CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask RemoveAsync(SaDirection direction, uint spi, IPAddress destination, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IReadOnlyList<SaCounters> ReadSaCounters() => throw new NotSupportedException();

    public IReadOnlyDictionary<string, long> ReadDropCounters() => throw new NotSupportedException();

    public ValueTask DisposeAsync() => throw new NotSupportedException();
}
