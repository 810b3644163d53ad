using System.Text;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ethtool;

/// <summary>ethtool's old way, for what its netlink family has no message for: one structure, over which the kernel writes its answer.</summary>
internal interface IEthtoolControl : IDisposable
{
    /// <summary>Runs one command; 0 or errno.</summary>
    /// <param name="link">The interface's name.</param>
    /// <param name="command">The structure; its first four bytes are the command's number.</param>
    int Control(string link, Span<byte> command);
}

/// <summary>SIOCETHTOOL on a socket in the network namespace of the thread that makes it.</summary>
internal sealed class EthtoolControl : IEthtoolControl
{
    private int _fd = Libc.Check(Libc.Socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "open a socket for SIOCETHTOOL");

    public int Control(string link, Span<byte> command)
    {
        Span<byte> name = stackalloc byte[Libc.InterfaceNameSize];
        return Libc.EthtoolControl(_fd, name[..Encoding.UTF8.GetBytes(link, name)], command);
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _fd, -1) is >= 0 and var fd)
            _ = Libc.Close(fd);
    }
}
