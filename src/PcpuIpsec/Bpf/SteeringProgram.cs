using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Bpf;

/// <summary>The program that gives a packet entering the TUN the queue of the CPU that sends it.</summary>
internal static class SteeringProgram
{
    /// <summary>Writes it for CPUs whose queues are numbered in their order.</summary>
    public static BpfAssembler Write(IReadOnlyList<int> cpus)
    {
        BpfAssembler program = new BpfAssembler()
            .Call(BpfHelper.GetSmpProcessorId);
        // CPUs are mostly given in rows (0-31): one comparison pair a row.
        for (int queue = 0; queue < cpus.Count;)
        {
            int length = 1;
            while (queue + length < cpus.Count && cpus[queue + length] == cpus[queue] + length)
                length++;
            string next = $"after queue {queue + length - 1}";
            program
                .JumpIfLess(BpfRegister.R0, cpus[queue], next)
                .JumpIfGreater(BpfRegister.R0, cpus[queue] + length - 1, next)
                .Add(BpfRegister.R0, queue - cpus[queue])
                .Exit()
                .Label(next);
            queue += length;
        }
        // A CPU that has no worker shares others' queues.
        return program
            .Mod(BpfRegister.R0, cpus.Count)
            .Exit();
    }

    /// <summary>Loads it.</summary>
    public static SafeFileHandle Load(IReadOnlyList<int> cpus) => Write(cpus).Load(Libc.BPF_PROG_TYPE_SOCKET_FILTER, "steering packets to the queue of their CPU (it needs CAP_BPF)");
}
