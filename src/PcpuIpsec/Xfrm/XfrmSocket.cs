using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Xfrm;

/// <summary>
/// XFRM in one network namespace, that of the thread which opened it; later calls may come from any thread.
/// Split by topic: SPIs, states, policies, the tables themselves.
/// </summary>
internal sealed partial class XfrmSocket(NetlinkSocket socket) : IDisposable
{
    /// <summary>IPPROTO_ESP.</summary>
    public const byte Esp = 50;

    /// <summary>Opens a socket in the namespace of the calling thread.</summary>
    public static XfrmSocket Open() => new(NetlinkSocket.Open(NetlinkProtocol.Xfrm, clearAnswers: true));

    public void Dispose() => socket.Dispose();

    /// <summary>Splits an answer into its struct and its attributes.</summary>
    internal static ref readonly T Read<T>(ushort type, ReadOnlySpan<byte> payload, out NetlinkAttributes attributes) where T : unmanaged
    {
        int size = Unsafe.SizeOf<T>();
        if (payload.Length < size)
            throw NetlinkAttributes.Malformed(type, payload.Length);
        attributes = new NetlinkAttributes(payload[Math.Min((size + 3) & ~3, payload.Length)..]);
        return ref MemoryMarshal.AsRef<T>(payload);
    }

    private static void WriteMark(ref NetlinkRequest request, XfrmMark? mark)
    {
        if (mark is { } value)
            request.StructAttribute(XfrmAttribute.Mark, new XfrmMarkStruct { Value = value.Value, Mask = value.Mask });
    }

    private static void WriteInterfaceId(ref NetlinkRequest request, uint interfaceId)
    {
        if (interfaceId != 0)
            request.U32(XfrmAttribute.IfId, interfaceId);
    }
}
