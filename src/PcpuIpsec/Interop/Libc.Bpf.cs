using System.Runtime.InteropServices;

namespace PcpuIpsec.Interop;

internal static unsafe partial class Libc
{
    public const int BPF_PROG_LOAD = 5;
    public const uint BPF_PROG_TYPE_SOCKET_FILTER = 1;

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
