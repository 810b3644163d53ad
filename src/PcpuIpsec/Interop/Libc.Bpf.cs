using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    public const int BPF_MAP_CREATE = 0, BPF_MAP_LOOKUP_ELEM = 1, BPF_MAP_UPDATE_ELEM = 2, BPF_MAP_DELETE_ELEM = 3, BPF_MAP_GET_NEXT_KEY = 4;
    public const int BPF_PROG_LOAD = 5, BPF_PROG_GET_FD_BY_ID = 13, BPF_MAP_GET_FD_BY_ID = 14, BPF_OBJ_GET_INFO_BY_FD = 15;
    public const uint BPF_PROG_TYPE_SOCKET_FILTER = 1, BPF_PROG_TYPE_XDP = 6;
    public const uint BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6, BPF_MAP_TYPE_CPUMAP = 16;
    public const uint BPF_F_NO_PREALLOC = 1, BPF_F_XDP_HAS_FRAGS = 1 << 5;
    public const int BPF_OBJ_NAME_LEN = 16;

    /// <summary>union bpf_attr as BPF_PROG_LOAD reads it (linux/bpf.h); what follows is zero.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct BpfProgramLoad
    {
        public uint ProgramType;
        public uint InstructionCount;
        public ulong Instructions;
        public ulong License;
        public uint LogLevel;
        public uint LogSize;
        public ulong LogBuffer;
        public uint KernelVersion;
        public uint Flags;
        public fixed byte Name[BPF_OBJ_NAME_LEN];
    }

    /// <summary>union bpf_attr as BPF_MAP_CREATE reads it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct BpfMapCreate
    {
        public uint MapType;
        public uint KeySize;
        public uint ValueSize;
        public uint EntriesAtMost;
        public uint Flags;
        public uint InnerMap;
        public uint NumaNode;
        public fixed byte Name[BPF_OBJ_NAME_LEN];
    }

    /// <summary>union bpf_attr as BPF_MAP_*_ELEM and BPF_MAP_GET_NEXT_KEY read it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct BpfMapElement
    {
        public int Map;
        public ulong Key;

        /// <summary>The value, or where the next key goes.</summary>
        public ulong Value;

        public ulong Flags;
    }

    /// <summary>union bpf_attr as BPF_*_GET_FD_BY_ID read it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct BpfGetById
    {
        public uint Id;
    }

    /// <summary>union bpf_attr as BPF_OBJ_GET_INFO_BY_FD reads it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct BpfGetInfo
    {
        public int Descriptor;
        public uint InfoLength;
        public ulong Info;
    }

    /// <summary>The beginning of struct bpf_prog_info.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct BpfProgramInfo
    {
        public uint ProgramType;
        public uint Id;
        public ulong Tag;
        public uint JitedLength;
        public uint TranslatedLength;
        public ulong Jited;
        public ulong Translated;
        public ulong LoadTime;
        public uint CreatedBy;
        public uint MapCount;
        public ulong MapIds;
        public fixed byte Name[BPF_OBJ_NAME_LEN];
    }

    /// <summary>The beginning of struct bpf_map_info.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct BpfMapInfo
    {
        public uint MapType;
        public uint Id;
        public uint KeySize;
        public uint ValueSize;
        public uint EntriesAtMost;
        public uint Flags;
        public fixed byte Name[BPF_OBJ_NAME_LEN];
    }

    /// <summary>struct sock_fprog: a classic BPF program (linux/filter.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct SocketFilterProgram
    {
        public ushort Length;
        public void* Instructions;
    }

    [LibraryImport(Library, EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint a, nint b, nint c);

    /// <summary>bpf(2), which glibc has no wrapper for.</summary>
    public static int Bpf(int command, void* attributes, uint size)
    {
        nint number = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => 321,
            Architecture.X86 => 357,
            Architecture.Arm => 386,
            Architecture.S390x => 351,
            Architecture.Ppc64le => 361,
            _ => 280, // asm-generic/unistd.h: arm64, riscv64, loongarch64
        };
        return (int)SystemCall(number, command, (nint)attributes, (nint)size);
    }
}
