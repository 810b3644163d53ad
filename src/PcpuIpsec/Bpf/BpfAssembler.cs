using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Bpf;

/// <summary>Registers of eBPF: r0 holds results, r1 to r5 arguments (lost at a call), r6 to r9 stay, r10 is the end of the stack.</summary>
internal enum BpfRegister : byte
{
    R0, R1, R2, R3, R4, R5, R6, R7, R8, R9, Frame,
}

/// <summary>Widths of loads and stores (linux/bpf_common.h, BPF_W to BPF_DW).</summary>
internal enum BpfSize : byte
{
    U32 = 0x00,
    U16 = 0x08,
    U8 = 0x10,
    U64 = 0x18,
}

/// <summary>The helpers that are used (linux/bpf.h, enum bpf_func_id).</summary>
internal enum BpfHelper
{
    MapLookupElement = 1,
    GetSmpProcessorId = 8,
    RedirectMap = 51,
}

/// <summary>
/// Writes an eBPF program one call an instruction, so that it reads as a listing. Jumps go forward to labels.
/// Instructions are struct bpf_insn: opcode, registers, 16-bit offset, 32-bit immediate; of little-endian machines, all that .NET runs on here.
/// </summary>
internal sealed unsafe class BpfAssembler
{
    // linux/bpf_common.h and linux/bpf.h: class | operation or size | source or mode
    private const byte LoadRegister = 0x61, StoreImmediate = 0x62, StoreRegister = 0x63, LoadDouble = 0x18;
    private const byte Call64 = 0x85, ExitProgram = 0x95, JumpAlways = 0x05, FromRegister = 0x08;
    private const byte AddTo = 0x07, MultiplyBy = 0x27, AndWith = 0x57, ShiftUp = 0x67, ShiftDown = 0x77, ModuloOf = 0x97, XorWith = 0xa7, MoveTo = 0xb7, MoveTo32 = 0xb4, FromBigEndian = 0xdc;
    private const byte JumpEqual = 0x15, JumpGreater = 0x25, JumpNotEqual = 0x55, JumpLess = 0xa5;

    // Source registers of LoadDouble that make its constant a map, or the value of an array of one.
    private const byte PseudoMap = 1, PseudoMapValue = 2;

    private readonly List<ulong> _instructions = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(int At, string Label)> _jumps = [];

    public BpfAssembler Label(string name)
    {
        _labels.Add(name, _instructions.Count);
        return this;
    }

    public BpfAssembler Call(BpfHelper helper) => Emit(Call64, BpfRegister.R0, (int)helper);

    /// <summary>register = value, sign-extended.</summary>
    public BpfAssembler Move(BpfRegister register, int value) => Emit(MoveTo, register, value);

    public BpfAssembler Move(BpfRegister register, BpfRegister source) => Emit(MoveTo | FromRegister, register, 0, source);

    /// <summary>register = the low 32 bits of the source.</summary>
    public BpfAssembler Move32(BpfRegister register, BpfRegister source) => Emit(MoveTo32 | FromRegister, register, 0, source);

    /// <summary>register = a constant of 64 bits; two instructions.</summary>
    public BpfAssembler LoadConstant(BpfRegister register, ulong value) => Double(register, 0, (uint)value, (uint)(value >> 32));

    /// <summary>register = the map, as helpers take it.</summary>
    public BpfAssembler LoadMap(BpfRegister register, BpfMap map) => Double(register, PseudoMap, (uint)map.Descriptor, 0);

    /// <summary>register = where the value of an array with one entry lies.</summary>
    public BpfAssembler LoadMapValue(BpfRegister register, BpfMap map) => Double(register, PseudoMapValue, (uint)map.Descriptor, 0);

    /// <summary>register = *(source + offset), zero-extended.</summary>
    public BpfAssembler Load(BpfSize size, BpfRegister register, BpfRegister source, int offset)
        => Emit((byte)(LoadRegister | (byte)size), register, 0, source, offset);

    /// <summary>*(register + offset) = source.</summary>
    public BpfAssembler Store(BpfSize size, BpfRegister register, int offset, BpfRegister source)
        => Emit((byte)(StoreRegister | (byte)size), register, 0, source, offset);

    /// <summary>*(register + offset) = value.</summary>
    public BpfAssembler Store(BpfSize size, BpfRegister register, int offset, int value)
        => Emit((byte)(StoreImmediate | (byte)size), register, value, offset: offset);

    public BpfAssembler Add(BpfRegister register, int value) => Emit(AddTo, register, value);

    public BpfAssembler Add(BpfRegister register, BpfRegister source) => Emit(AddTo | FromRegister, register, 0, source);

    public BpfAssembler Multiply(BpfRegister register, BpfRegister source) => Emit(MultiplyBy | FromRegister, register, 0, source);

    /// <summary>Unsigned remainder.</summary>
    public BpfAssembler Mod(BpfRegister register, int value) => Emit(ModuloOf, register, value);

    public BpfAssembler And(BpfRegister register, int value) => Emit(AndWith, register, value);

    public BpfAssembler Xor(BpfRegister register, BpfRegister source) => Emit(XorWith | FromRegister, register, 0, source);

    public BpfAssembler ShiftLeft(BpfRegister register, int bits) => Emit(ShiftUp, register, bits);

    /// <summary>Unsigned.</summary>
    public BpfAssembler ShiftRight(BpfRegister register, int bits) => Emit(ShiftDown, register, bits);

    /// <summary>Turns a 16-bit field of a packet into a number that can be compared.</summary>
    public BpfAssembler HostOrder16(BpfRegister register) => Emit(FromBigEndian, register, 16);

    public BpfAssembler Jump(string label) => JumpTo(label, JumpAlways, BpfRegister.R0, 0);

    public BpfAssembler JumpIfEqual(BpfRegister register, int value, string label) => JumpTo(label, JumpEqual, register, value);

    public BpfAssembler JumpIfEqual(BpfRegister register, BpfRegister other, string label) => JumpTo(label, JumpEqual | FromRegister, register, 0, other);

    public BpfAssembler JumpIfNotEqual(BpfRegister register, int value, string label) => JumpTo(label, JumpNotEqual, register, value);

    /// <summary>Unsigned comparison.</summary>
    public BpfAssembler JumpIfLess(BpfRegister register, int value, string label) => JumpTo(label, JumpLess, register, value);

    /// <summary>Unsigned comparison.</summary>
    public BpfAssembler JumpIfGreater(BpfRegister register, int value, string label) => JumpTo(label, JumpGreater, register, value);

    /// <summary>Unsigned comparison.</summary>
    public BpfAssembler JumpIfGreater(BpfRegister register, BpfRegister other, string label) => JumpTo(label, JumpGreater | FromRegister, register, 0, other);

    public BpfAssembler Exit() => Emit(ExitProgram, BpfRegister.R0, 0);

    /// <summary>A 16-bit field of a packet as <see cref="BpfSize.U16"/> loads it.</summary>
    public static int Network(ushort value) => BinaryPrimitives.ReverseEndianness(value);

    /// <summary>The program with its jumps resolved.</summary>
    public ulong[] Assemble()
    {
        ulong[] program = [.. _instructions];
        foreach ((int at, string label) in _jumps)
            program[at] |= (ulong)(ushort)checked((short)(_labels[label] - at - 1)) << 16;
        return program;
    }

    /// <summary>Loads the program into the kernel.</summary>
    /// <param name="type">BPF_PROG_TYPE_*.</param>
    /// <param name="purpose">For the error message.</param>
    /// <param name="name">By which it is known again, 15 characters at most.</param>
    /// <param name="flags">BPF_F_*.</param>
    public SafeFileHandle Load(uint type, string purpose, string name = "", uint flags = 0)
    {
        ulong[] program = Assemble();
        fixed (ulong* instructions = program)
        fixed (byte* license = "MIT\0"u8)
        {
            var attributes = new Libc.BpfProgramLoad
            {
                ProgramType = type,
                InstructionCount = (uint)program.Length,
                Instructions = (ulong)instructions,
                License = (ulong)license,
                Flags = flags,
            };
            Encoding.ASCII.GetBytes(name, new Span<byte>(attributes.Name, Libc.BPF_OBJ_NAME_LEN - 1));
            int fd = Libc.Bpf(Libc.BPF_PROG_LOAD, &attributes, (uint)sizeof(Libc.BpfProgramLoad));
            if (fd >= 0)
                return new SafeFileHandle(fd, ownsHandle: true);
            int errno = Libc.Errno;
            throw Libc.Failure($"Cannot load the BPF program for {purpose}{Verdict(&attributes)}", errno);
        }
    }

    /// <summary>What the verifier says of a program that it refused, from its log's end.</summary>
    private static string Verdict(Libc.BpfProgramLoad* attributes)
    {
        byte[] log = new byte[1 << 20];
        fixed (byte* buffer = log)
        {
            attributes->LogLevel = 1;
            attributes->LogSize = (uint)log.Length;
            attributes->LogBuffer = (ulong)buffer;
            int fd = Libc.Bpf(Libc.BPF_PROG_LOAD, attributes, (uint)sizeof(Libc.BpfProgramLoad));
            if (fd >= 0)
                _ = Libc.Close(fd);
        }
        string text = Encoding.ASCII.GetString(log).TrimEnd('\0');
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return lines.Length == 0 ? "" : $" (the verifier: {string.Join("; ", lines.Where(l => !l.StartsWith("processed ", StringComparison.Ordinal)).TakeLast(3))})";
    }

    private BpfAssembler JumpTo(string label, byte opcode, BpfRegister register, int value, BpfRegister other = BpfRegister.R0)
    {
        _jumps.Add((_instructions.Count, label));
        return Emit(opcode, register, value, other);
    }

    private BpfAssembler Double(BpfRegister register, byte source, uint low, uint high)
    {
        Emit(LoadDouble, register, (int)low, (BpfRegister)source);
        _instructions.Add((ulong)high << 32);
        return this;
    }

    private BpfAssembler Emit(byte opcode, BpfRegister destination, int immediate, BpfRegister source = BpfRegister.R0, int offset = 0)
    {
        _instructions.Add(opcode | ((ulong)destination << 8) | ((ulong)source << 12) | ((ulong)(ushort)checked((short)offset) << 16) | ((ulong)(uint)immediate << 32));
        return this;
    }
}
