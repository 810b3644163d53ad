using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace PcpuIpsec.Xfrm;

/// <summary>How the kernel data plane is made.</summary>
internal sealed record KernelPlaneOptions
{
    /// <summary>The CPUs that SAs can be bound to.</summary>
    public required IReadOnlyList<int> Cpus { get; init; }

    /// <summary>The network namespace's file (/run/netns/NAME); null: the one of the calling thread.</summary>
    public string? NetworkNamespace { get; init; }

    public TimeProvider Clock { get; init; } = TimeProvider.System;

    public ILogger Logger { get; init; } = NullLogger.Instance;
}

/// <summary>What the plane needs of its network namespace beside XFRM itself; tests put their own here.</summary>
/// <param name="Statistics">The namespace's error counters.</param>
/// <param name="OpenSocket">A bound socket exempt from policies; true: the kernel takes ESP in UDP from it.</param>
/// <param name="LowerAcquireExpiry">See <see cref="AcquireExpiry.Lower"/>.</param>
/// <param name="RestoreAcquireExpiry">See <see cref="AcquireExpiry.Restore"/>.</param>
/// <param name="Remember">See <see cref="KernelSockets.Remember"/>; throws a <see cref="SocketException"/> where that cannot be.</param>
/// <param name="Routes">Its interfaces and routes.</param>
internal sealed record KernelHost(
    Func<IReadOnlyDictionary<string, long>> Statistics,
    Func<IPEndPoint, bool, Socket> OpenSocket,
    Action LowerAcquireExpiry,
    Action RestoreAcquireExpiry,
    Func<XfrmState, IDisposable> Remember,
    KernelRoutes Routes);
