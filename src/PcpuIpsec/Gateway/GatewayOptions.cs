using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace PcpuIpsec.Gateway;

/// <summary>What an <see cref="IpsecGateway"/> is started with.</summary>
public sealed partial record GatewayOptions
{
    /// <summary>What carries the packets. Default: <see cref="DataPlaneKind.Auto"/>.</summary>
    public DataPlaneKind DataPlane { get; init; } = DataPlaneKind.Auto;

    /// <summary>The CPUs that the data plane works on; null: every CPU that is online and that this process may run on.</summary>
    public IReadOnlyList<int>? Cpus { get; init; }

    /// <summary>
    /// Choose the outbound SA by the flow's hash and not by the CPU that sends, so that a sender that migrates does not
    /// reorder its flow. Default: false.
    /// </summary>
    public bool SteerByFlow { get; init; }

    /// <summary>The embedded plane's TUN interface: 1 to 15 characters. Default: <c>pcpu0</c>.</summary>
    public string InterfaceName { get; init; } = "pcpu0";

    /// <summary>The MTU of that interface, 1280 to 65535; null: that of the smallest link that is up, less room for ESP.</summary>
    public int? Mtu { get; init; }

    /// <summary>The network namespace that the data plane and its sockets live in, as a file such as <c>/run/netns/west</c>; null: the calling thread's.</summary>
    public string? NetworkNamespace { get; init; }

    /// <summary>The tunnels that are added at start; more can follow.</summary>
    public IReadOnlyList<TunnelOptions> Tunnels { get; init; } = [];

    /// <summary>Writes the keys of every SA into files of this folder, from which Wireshark decrypts; null: nowhere.</summary>
    internal string? KeyExportFolder { get; init; }

    /// <summary>In what words its faults are told.</summary>
    internal OptionWords Words { get; init; } = OptionWords.Library;

    /// <summary>Where it measures; null: a meter of its own. It is the gateway's from the start on.</summary>
    internal Meter? Meter { get; init; }

    /// <summary>Where the log goes; default: nowhere. Never receives key material.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>How long <see cref="IpsecGateway.DisposeAsync"/> waits for peers to answer our deletes. Default: 2 s; 0 to 60 s.</summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(2);
}
