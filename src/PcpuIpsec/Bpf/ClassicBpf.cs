using PcpuIpsec.Interop;

namespace PcpuIpsec.Bpf;

/// <summary>Classic BPF programs that place a packet by its SPI: worker = SPI modulo the number of workers.</summary>
internal static unsafe class ClassicBpf
{
    // linux/filter.h: class | size or operation | mode or source
    private const ushort LoadWordAbsolute = 0x20, LoadWordIndirect = 0x40, LoadIPv4HeaderLength = 0xb1;
    private const ushort ModConstant = 0x94, AddConstant = 0x04, JumpIfEqual = 0x15, ReturnConstant = 0x06, ReturnA = 0x16;
    private const uint WholePacket = uint.MaxValue;

    /// <summary>
    /// For a reuse-port group whose first socket is IKE's and whose others are the workers': the index of the socket.
    /// A zero SPI is the non-ESP marker (RFC 3948 §2.2); loading past the end of a shorter datagram, such as a
    /// NAT keepalive (§2.3), ends the program with 0.
    /// </summary>
    public static ulong[] SelectSocket(int workers) =>
    [
        Instruction(LoadWordAbsolute, 0),
        Instruction(JumpIfEqual, 0, ifTrue: 3),
        Instruction(ModConstant, (uint)workers),
        Instruction(AddConstant, 1),
        Instruction(ReturnA, 0),
        Instruction(ReturnConstant, 0),
    ];

    /// <summary>For a socket that only sends: nothing is queued.</summary>
    public static ulong[] TakeNothing { get; } = [Instruction(ReturnConstant, 0)];

    /// <summary>For a raw IPv4 socket, whose packets begin with the IP header: takes one worker's packets.</summary>
    public static ulong[] TakeOwnIPv4(int worker, int workers) =>
    [
        Instruction(LoadIPv4HeaderLength, 0),
        Instruction(LoadWordIndirect, 0),
        .. TakeOwn(worker, workers),
    ];

    /// <summary>For a raw IPv6 socket, whose packets begin with the ESP header.</summary>
    public static ulong[] TakeOwnIPv6(int worker, int workers) =>
    [
        Instruction(LoadWordAbsolute, 0),
        .. TakeOwn(worker, workers),
    ];

    /// <summary>Attaches a program to a socket (SO_ATTACH_FILTER) or to its reuse-port group (SO_ATTACH_REUSEPORT_CBPF).</summary>
    public static void Attach(int socket, int option, ulong[] program, string purpose)
    {
        fixed (ulong* instructions = program)
        {
            var value = new Libc.SocketFilterProgram { Length = (ushort)program.Length, Instructions = instructions };
            Libc.Check(Libc.SetSockOpt(socket, Libc.SOL_SOCKET, option, &value, (uint)sizeof(Libc.SocketFilterProgram)), $"Cannot attach the filter for {purpose}");
        }
    }

    private static ulong[] TakeOwn(int worker, int workers) =>
    [
        Instruction(ModConstant, (uint)workers),
        Instruction(JumpIfEqual, (uint)worker, ifFalse: 1),
        Instruction(ReturnConstant, WholePacket),
        Instruction(ReturnConstant, 0),
    ];

    /// <summary>struct sock_filter: 16-bit code, two 8-bit jumps, 32-bit constant.</summary>
    private static ulong Instruction(ushort code, uint constant, byte ifTrue = 0, byte ifFalse = 0)
        => code | ((ulong)ifTrue << 16) | ((ulong)ifFalse << 24) | ((ulong)constant << 32);
}
