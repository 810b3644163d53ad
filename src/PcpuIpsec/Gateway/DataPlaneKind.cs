namespace PcpuIpsec.Gateway;

/// <summary>What carries the protected packets.</summary>
public enum DataPlaneKind
{
    /// <summary>The best that this version and host have; the status and the log say which it is and why.</summary>
    Auto,

    /// <summary>The kernel's XFRM.</summary>
    Kernel,

    /// <summary>ESP in user space, one worker a CPU.</summary>
    Embedded,
}
