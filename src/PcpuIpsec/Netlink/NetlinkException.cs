using PcpuIpsec.Interop;

namespace PcpuIpsec.Netlink;

/// <summary>The kernel refused a netlink request.</summary>
internal sealed class NetlinkException : PcpuIpsecException
{
    public NetlinkException(string operation, int errno, string? kernelText = null, int? offset = null)
        : base(PcpuIpsecError.KernelRefused, Compose(operation, errno, kernelText, offset))
    {
        Operation = operation;
        Errno = errno;
        KernelText = kernelText;
        Offset = offset;
    }

    /// <summary>What was asked for, such as "add route 10.2.0.0/24".</summary>
    public string Operation { get; }

    /// <summary>The kernel's error number, positive.</summary>
    public int Errno { get; }

    /// <summary>The text of the extended ack, where the kernel gave one.</summary>
    public string? KernelText { get; }

    /// <summary>Where in the request, its header included, the offending attribute begins.</summary>
    public int? Offset { get; }

    private static string Compose(string operation, int errno, string? kernelText, int? offset)
    {
        string text = $"{operation}: {Libc.Describe(errno)}";
        if (kernelText is not null)
            text += $": {kernelText}";
        return offset is { } at ? $"{text} (attribute at byte {at})" : text;
    }
}
