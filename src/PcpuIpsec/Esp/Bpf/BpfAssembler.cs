using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp.Bpf;

/// <summary>Registers of eBPF; r0 holds results.</summary>
internal enum BpfRegister : byte
{
    R0 = 0,
    R1 = 1,
}

/// <summary>The helpers that are used (linux/bpf.h, enum bpf_func_id).</summary>
internal enum BpfHelper
{
    GetSmpProcessorId = 8,
}

/// <summary>
/// Writes an eBPF program one call an instruction, so that it reads as a listing. Jumps go forward to labels.
/// Instructions are struct bpf_insn: opcode, registers, 16-bit offset, 32-bit immediate.
/// </summary>
internal sealed unsafe class BpfAssembler
{
    private const byte Call64 = 0x85, ExitProgram = 0x95, AddImmediate = 0x07, ModImmediate = 0x97;
    private const byte JumpGreater = 0x25, JumpLess = 0xa5;

    private readonly List<ulong> _instructions = [];
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(int At, string Label)> _jumps = [];

    public BpfAssembler Label(string name)
    {
        _labels.Add(name, _instructions.Count);
        return this;
    }

    public BpfAssembler Call(BpfHelper helper) => Emit(Call64, BpfRegister.R0, (int)helper);

    public BpfAssembler Add(BpfRegister register, int value) => Emit(AddImmediate, register, value);

    /// <summary>Unsigned remainder.</summary>
    public BpfAssembler Mod(BpfRegister register, int value) => Emit(ModImmediate, register, value);

    /// <summary>Unsigned comparison.</summary>
    public BpfAssembler JumpIfLess(BpfRegister register, int value, string label) => Jump(JumpLess, register, value, label);

    /// <summary>Unsigned comparison.</summary>
    public BpfAssembler JumpIfGreater(BpfRegister register, int value, string label) => Jump(JumpGreater, register, value, label);

    public BpfAssembler Exit() => Emit(ExitProgram, BpfRegister.R0, 0);

    /// <summary>The program with its jumps resolved.</summary>
    public ulong[] Assemble()
    {
        ulong[] program = [.. _instructions];
        foreach ((int at, string label) in _jumps)
            program[at] |= (ulong)(ushort)checked((short)(_labels[label] - at - 1)) << 16;
        return program;
    }

    /// <summary>Loads the program into the kernel.</summary>
    /// <returns>Its descriptor.</returns>
    public int Load(uint type, string purpose)
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
            };
            return Libc.Check(Libc.Bpf(Libc.BPF_PROG_LOAD, &attributes, (uint)sizeof(Libc.BpfProgramLoad)), $"Cannot load the BPF program for {purpose}");
        }
    }

    private BpfAssembler Jump(byte opcode, BpfRegister register, int value, string label)
    {
        _jumps.Add((_instructions.Count, label));
        return Emit(opcode, register, value);
    }

    private BpfAssembler Emit(byte opcode, BpfRegister destination, int immediate)
    {
        _instructions.Add(opcode | ((ulong)destination << 8) | ((ulong)(uint)immediate << 32));
        return this;
    }
}
