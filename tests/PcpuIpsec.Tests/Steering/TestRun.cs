using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Steering;

/// <summary>Has the kernel run a program on a packet that is on no wire (BPF_PROG_TEST_RUN).</summary>
internal static unsafe class TestRun
{
    public const uint Pass = 2, Redirect = 4;

    private const int BPF_PROG_TEST_RUN = 10;

    /// <returns>The program's verdict, and how long one run took on average.</returns>
    public static (uint Verdict, uint Nanoseconds) Run(SafeFileHandle program, ReadOnlySpan<byte> frame, uint repeat = 1)
    {
        fixed (byte* data = frame)
        {
            var attributes = new Attributes { Program = (int)program.DangerousGetHandle(), SizeIn = (uint)frame.Length, DataIn = (ulong)data, Repeat = repeat };
            Libc.Check(Libc.Bpf(BPF_PROG_TEST_RUN, &attributes, (uint)sizeof(Attributes)), $"BPF_PROG_TEST_RUN with {frame.Length} bytes");
            return (attributes.Result, attributes.Duration);
        }
    }

    /// <summary>union bpf_attr as BPF_PROG_TEST_RUN reads it.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Attributes
    {
        public int Program;
        public uint Result;
        public uint SizeIn;
        public uint SizeOut;
        public ulong DataIn;
        public ulong DataOut;
        public uint Repeat;
        public uint Duration;
    }
}
