using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host.Daemon;

/// <summary>One daemon a network namespace: two would let go, and write over, each other's states and policies.</summary>
internal static class NamespaceLock
{
    private const string Folder = "/run/pcpu-ipsec";
    private const int OwnerOnly = 0x180;

    /// <summary>Holds it until disposed or the process ends, however.</summary>
    /// <exception cref="PcpuIpsecException">Another daemon works in this network namespace.</exception>
    public static IDisposable Take()
    {
        try
        {
            Directory.CreateDirectory(Folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{Folder} cannot be made, where each network namespace's daemon is noted: {e.Message}", e);
        }
        string path = Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"netns-{NetworkNamespaceCookie.OfThisThread()}.lock"));
        int opened = Libc.Check(Libc.Open(path, Libc.O_RDONLY | Libc.O_CREAT | Libc.O_CLOEXEC, OwnerOnly), $"open {path}");
        var file = new SafeFileHandle(opened, ownsHandle: true);
        if (Libc.FLock(opened, Libc.LOCK_EX | Libc.LOCK_NB) == 0)
            return file;
        int errno = Libc.Errno;
        file.Dispose();
        throw errno == Libc.EAGAIN
            ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "Another pcpu-ipsec works in this network namespace, at another socket or folder; there can be one in each.")
            : Libc.Failure($"lock {path}", errno);
    }
}
