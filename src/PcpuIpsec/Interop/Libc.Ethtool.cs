namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    /// <summary>linux/errno.h: not meant for programs, but some drivers let it out where they mean EOPNOTSUPP.</summary>
    public const int ENOTSUPP = 524;

    // linux/sockios.h
    public const nuint SIOCETHTOOL = 0x8946;

    /// <summary>Sends one of ethtool's structures, which begins with the command's number; the kernel writes its answer over it.</summary>
    /// <param name="fd">Any socket: it says which network namespace is meant.</param>
    /// <param name="link">The interface's name, at most 15 bytes.</param>
    /// <param name="command">The structure.</param>
    /// <returns>0 or errno.</returns>
    public static int EthtoolControl(int fd, ReadOnlySpan<byte> link, Span<byte> command)
    {
        InterfaceRequest request = default;
        link.CopyTo(new Span<byte>(request.Name, InterfaceNameSize - 1));
        fixed (byte* data = command)
        {
            request.Data = data;
            while (IoCtl(fd, SIOCETHTOOL, &request) < 0)
            {
                if (Errno != EINTR)
                    return Errno;
            }
        }
        return 0;
    }

    /// <summary>IFNAMSIZ: an interface's name and its NUL.</summary>
    public const int InterfaceNameSize = 16;
}
