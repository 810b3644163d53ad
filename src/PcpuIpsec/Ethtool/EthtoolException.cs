using PcpuIpsec.Interop;

namespace PcpuIpsec.Ethtool;

/// <summary>The kernel or a driver refused what ethtool asked for.</summary>
internal sealed class EthtoolException : PcpuIpsecException
{
    public EthtoolException(string operation, string link, int errno, string? kernelText = null, Exception? innerException = null)
        : base(IsUnsupported(errno) ? PcpuIpsecError.HostUnable : PcpuIpsecError.KernelRefused, Compose(operation, link, errno, kernelText), innerException)
    {
        Operation = operation;
        Interface = link;
        Errno = errno;
        KernelText = kernelText;
    }

    /// <summary>What was asked for, such as "set channels".</summary>
    public string Operation { get; }

    public string Interface { get; }

    /// <summary>The kernel's error number, positive.</summary>
    public int Errno { get; }

    /// <summary>The driver's own words, where netlink carried any.</summary>
    public string? KernelText { get; }

    /// <summary>Whether an error says that there is no such thing, rather than that it may not be.</summary>
    internal static bool IsUnsupported(int errno) => errno is Libc.EOPNOTSUPP or Libc.ENOTSUPP;

    private static string Compose(string operation, string link, int errno, string? kernelText)
    {
        // libc has no words for the one that is not meant for programs.
        string text = $"{operation} of {link}: {(errno == Libc.ENOTSUPP ? $"Operation not supported by the driver (errno {errno})" : Libc.Describe(errno))}";
        return kernelText is null ? text : $"{text}: {kernelText}";
    }
}
