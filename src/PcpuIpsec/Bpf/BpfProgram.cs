using System.Text;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Bpf;

/// <summary>What the kernel says of a program.</summary>
/// <param name="Id">Its number, which is never given twice between two boots.</param>
/// <param name="Name">What its loader called it.</param>
/// <param name="MapIds">The maps that it uses.</param>
internal sealed record BpfProgram(uint Id, string Name, IReadOnlyList<uint> MapIds)
{
    /// <summary>Opens the program of a number; null where it is gone.</summary>
    public static unsafe SafeFileHandle? TryOpen(uint id)
    {
        var byId = new Libc.BpfGetById { Id = id };
        int fd = Libc.Bpf(Libc.BPF_PROG_GET_FD_BY_ID, &byId, (uint)sizeof(Libc.BpfGetById));
        if (fd >= 0)
            return new SafeFileHandle(fd, ownsHandle: true);
        return Libc.Errno == Libc.ENOENT ? null : throw Libc.Failure($"Cannot open the BPF program with id {id} (it needs CAP_SYS_ADMIN)", Libc.Errno);
    }

    public static unsafe BpfProgram Of(SafeFileHandle program)
    {
        // More than any program of ours uses; of another's, those that are left out are not looked at.
        const int MapsAtMost = 64;
        uint* maps = stackalloc uint[MapsAtMost];
        var info = new Libc.BpfProgramInfo { MapCount = MapsAtMost, MapIds = (ulong)maps };
        using var held = new HeldHandle(program);
        var request = new Libc.BpfGetInfo { Descriptor = (int)held.Pointer, InfoLength = (uint)sizeof(Libc.BpfProgramInfo), Info = (ulong)&info };
        Libc.Check(Libc.Bpf(Libc.BPF_OBJ_GET_INFO_BY_FD, &request, (uint)sizeof(Libc.BpfGetInfo)), "Cannot ask about a BPF program");
        var ids = new ReadOnlySpan<uint>(maps, (int)Math.Min(info.MapCount, MapsAtMost));
        return new BpfProgram(info.Id, NameOf(new ReadOnlySpan<byte>(info.Name, Libc.BPF_OBJ_NAME_LEN)), ids.ToArray());
    }

    internal static string NameOf(ReadOnlySpan<byte> name) => Encoding.ASCII.GetString(name[..Math.Max(name.IndexOf((byte)0), 0)]);
}
