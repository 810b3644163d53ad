using System.Net.Sockets;
using System.Runtime.InteropServices;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Who connected to the socket, as the kernel noted it then (unix(7)).</summary>
/// <param name="User">The effective user.</param>
/// <param name="Groups">The effective group, and the supplementary ones.</param>
internal sealed record PeerCredentials(uint User, IReadOnlyList<uint> Groups)
{
    // asm-generic/socket.h
    private const int SolSocket = 1, SoPeerCredentials = 17, SoPeerGroups = 59;
    private const int GroupsAtMost = 65536;

    public static PeerCredentials Of(Socket socket)
    {
        // struct ucred: pid, uid, gid.
        Span<uint> credentials = stackalloc uint[3];
        socket.GetRawSocketOption(SolSocket, SoPeerCredentials, MemoryMarshal.AsBytes(credentials));
        return new PeerCredentials(credentials[1], [credentials[2], .. SupplementaryGroups(socket)]);
    }

    /// <summary>Root, the daemon's own user, and members of its group.</summary>
    public bool MayUse(uint? group) => User == 0 || User == Libc.GetEffectiveUser() || (group is { } number && Groups.Contains(number));

    private static uint[] SupplementaryGroups(Socket socket)
    {
        for (int count = 64; ; count *= 2)
        {
            uint[] groups = new uint[count];
            try
            {
                int bytes = socket.GetRawSocketOption(SolSocket, SoPeerGroups, MemoryMarshal.AsBytes(groups.AsSpan()));
                return groups[..(bytes / sizeof(uint))];
            }
            catch (SocketException e) when (e.NativeErrorCode == ERANGE && count < GroupsAtMost)
            {
                // More groups than that: with more room.
            }
        }
    }

    private const int ERANGE = 34;
}
