using System.Buffers.Binary;
using PcpuIpsec.Bpf;

namespace PcpuIpsec.Tests.Bpf;

/// <summary>The programs, run by small interpreters of their own: the kernel runs the same ones in the namespace tests.</summary>
public sealed class BpfTests
{
    [Theory]
    [InlineData("0-3")]
    [InlineData("4,2,0")]
    [InlineData("8-15,0-7,32")]
    [InlineData("5")]
    public void Steering_gives_each_CPU_its_queue(string list)
    {
        int[] cpus = [.. list.Split(',').SelectMany(part => part.Split('-') is [var a, var b] ? Enumerable.Range(int.Parse(a), int.Parse(b) - int.Parse(a) + 1) : [int.Parse(part)])];
        ulong[] program = SteeringProgram.Write(cpus).Assemble();
        for (int queue = 0; queue < cpus.Length; queue++)
            Assert.Equal((ulong)queue, RunExtended(program, cpu: cpus[queue]));
    }

    [Fact]
    public void A_CPU_without_a_queue_shares_another_ones()
        => Assert.InRange(RunExtended(SteeringProgram.Write([2, 4]).Assemble(), cpu: 7), 0ul, 1ul);

    [Fact]
    public void Steering_of_rows_takes_one_comparison_pair_a_row()
        => Assert.Equal(1 + 4 + 2, SteeringProgram.Write([.. Enumerable.Range(0, 128)]).Assemble().Length);

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(128)]
    public void The_group_gives_IKE_the_non_ESP_marker_and_workers_their_SPIs(int workers)
    {
        ulong[] program = ClassicBpf.SelectSocket(workers);
        Assert.Equal(0u, RunClassic(program, [0, 0, 0, 0, 1, 2, 3, 4]));
        Assert.Equal(0u, RunClassic(program, [0xff]));
        Assert.Equal(0u, RunClassic(program, []));
        foreach (uint spi in (uint[])[256, 257, 0x12345678, uint.MaxValue])
            Assert.Equal(1 + (spi % (uint)workers), RunClassic(program, Esp(spi)));
    }

    [Fact]
    public void A_raw_socket_takes_the_SPIs_of_its_worker_alone()
    {
        const int Workers = 3;
        for (uint spi = 256; spi < 300; spi++)
        {
            for (int worker = 0; worker < Workers; worker++)
            {
                uint expected = spi % Workers == worker ? uint.MaxValue : 0;
                Assert.Equal(expected, RunClassic(ClassicBpf.TakeOwnIPv6(worker, Workers), Esp(spi)));
                Assert.Equal(expected, RunClassic(ClassicBpf.TakeOwnIPv4(worker, Workers), [0x45, .. new byte[19], .. Esp(spi)]));
                // With options
                Assert.Equal(expected, RunClassic(ClassicBpf.TakeOwnIPv4(worker, Workers), [0x47, .. new byte[27], .. Esp(spi)]));
            }
        }
    }

    private static byte[] Esp(uint spi)
    {
        byte[] packet = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(packet, spi);
        return packet;
    }

    private static ulong RunExtended(ulong[] program, int cpu)
    {
        ulong r0 = 0;
        for (int at = 0; at < program.Length; at++)
        {
            ulong instruction = program[at];
            int offset = (short)(instruction >> 16);
            var immediate = (ulong)(int)(instruction >> 32);
            switch ((byte)instruction)
            {
                case 0x85: // call
                    Assert.Equal(8ul, immediate);
                    r0 = (ulong)cpu;
                    break;
                case 0x07:
                    r0 += immediate;
                    break;
                case 0x97:
                    r0 %= immediate;
                    break;
                case 0x25:
                    at += r0 > immediate ? offset : 0;
                    break;
                case 0xa5:
                    at += r0 < immediate ? offset : 0;
                    break;
                case 0x95:
                    return r0;
                default:
                    Assert.Fail($"opcode {instruction & 0xff:x2}");
                    break;
            }
        }
        throw new InvalidOperationException("The program runs off its end.");
    }

    private static uint RunClassic(ulong[] program, byte[] packet)
    {
        uint a = 0, x = 0;
        for (int at = 0; at < program.Length; at++)
        {
            ulong instruction = program[at];
            byte ifTrue = (byte)(instruction >> 16), ifFalse = (byte)(instruction >> 24);
            uint k = (uint)(instruction >> 32);
            switch ((ushort)instruction)
            {
                case 0x20 or 0x40:
                    uint from = k + ((ushort)instruction == 0x40 ? x : 0);
                    if (from + 4 > packet.Length)
                        return 0;
                    a = BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan((int)from));
                    break;
                case 0xb1:
                    x = (uint)(packet[k] & 0xf) * 4;
                    break;
                case 0x94:
                    a %= k;
                    break;
                case 0x04:
                    a += k;
                    break;
                case 0x15:
                    at += a == k ? ifTrue : ifFalse;
                    break;
                case 0x06:
                    return k;
                case 0x16:
                    return a;
                default:
                    Assert.Fail($"code {instruction & 0xffff:x4}");
                    break;
            }
        }
        throw new InvalidOperationException("The program runs off its end.");
    }
}
