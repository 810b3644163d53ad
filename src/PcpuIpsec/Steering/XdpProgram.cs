using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Interop;
using static PcpuIpsec.Bpf.BpfRegister;

namespace PcpuIpsec.Steering;

/// <summary>
/// The XDP program that finds a packet's entry and hands it to that CPU by the cpumap. Registers through all of it: r6 where the
/// next header begins, r7 the packet's end, r8 the settings, r9 what kind of header comes next, in the end the CPU or the reason.
/// </summary>
internal static class XdpProgram
{
    /// <summary>By which it is known again.</summary>
    public const string Name = "pcpu_steer";

    /// <summary>VLAN tags, and IPv6 extension headers, that are looked through.</summary>
    public const int TagsAtMost = 2, ExtensionsAtMost = 6;

    /// <summary>Of the hash that spreads flows in clear: 2^64 divided by the golden ratio.</summary>
    public const ulong HashMultiplier = 0x9e37_79b9_7f4a_7c15;

    // linux/bpf.h, enum xdp_action
    private const int XdpPass = 2, XdpRedirect = 4;

    // struct xdp_md
    private const int DataOffset = 0, DataEndOffset = 4;

    // The stack: an entry's key for ESP, whose address serves the hash too, and one for ports; the source; both ports; a map's index.
    private const int Key = -24, KeySpi = Key + 4, KeyAddress = Key + 8, Source = -40, Ports = -44, Index = -48, PortKey = -72;
    private const int KeyProtocol = 1, KeyPort = 2;

    private const ushort EtherIPv4 = 0x0800, EtherIPv6 = 0x86dd, EtherVlan = 0x8100, EtherServiceVlan = 0x88a8;
    private const int HopByHop = 0, Routing = 43, Fragment = 44, Esp = 50, DestinationOptions = 60;

    public static SafeFileHandle Load(XdpMaps maps, bool fragments)
        => Write(maps).Load(Libc.BPF_PROG_TYPE_XDP, "steering packets to CPUs (it needs CAP_BPF and CAP_NET_ADMIN)", Name, fragments ? Libc.BPF_F_XDP_HAS_FRAGS : 0);

    public static BpfAssembler Write(XdpMaps maps)
    {
        var program = new BpfAssembler();
        program
            .Load(BpfSize.U32, R6, R1, DataOffset)
            .Load(BpfSize.U32, R7, R1, DataEndOffset)
            .LoadMapValue(R8, maps.Config);
        for (int at = PortKey; at < 0; at += 8)
            program.Store(BpfSize.U64, Frame, at, 0);
        Ethernet(program);
        IPv4(program);
        IPv6(program);
        Transport(program, maps);
        Flow(program, maps);
        Verdicts(program, maps);
        return program;
    }

    private static void Ethernet(BpfAssembler program)
    {
        Need(program, 14);
        program.Load(BpfSize.U16, R9, R6, 12).Add(R6, 14);
        for (int tag = 0; tag < TagsAtMost; tag++)
        {
            program
                .JumpIfEqual(R9, BpfAssembler.Network(EtherVlan), $"tag {tag}")
                .JumpIfNotEqual(R9, BpfAssembler.Network(EtherServiceVlan), "network")
                .Label($"tag {tag}");
            Need(program, 4);
            program.Load(BpfSize.U16, R9, R6, 2).Add(R6, 4);
        }
        program
            .Label("network")
            .JumpIfEqual(R9, BpfAssembler.Network(EtherIPv6), "IPv6")
            .JumpIfNotEqual(R9, BpfAssembler.Network(EtherIPv4), nameof(SteeringReason.NotIp));
    }

    private static void IPv4(BpfAssembler program)
    {
        Need(program, 20);
        program
            .Load(BpfSize.U8, R2, R6, 0)
            .JumpIfLess(R2, 0x45, nameof(SteeringReason.Malformed))
            .JumpIfGreater(R2, 0x4f, nameof(SteeringReason.Malformed))
            .Load(BpfSize.U16, R1, R6, 6)
            .And(R1, BpfAssembler.Network(0x3fff)) // More fragments, and the offset
            .JumpIfNotEqual(R1, 0, nameof(SteeringReason.Fragment))
            .Load(BpfSize.U8, R9, R6, 9)
            .Store(BpfSize.U32, Frame, Source + 8, BpfAssembler.Network(0xffff) << 16)
            .Load(BpfSize.U32, R1, R6, 12)
            .Store(BpfSize.U32, Frame, Source + 12, R1)
            .Store(BpfSize.U32, Frame, KeyAddress + 8, BpfAssembler.Network(0xffff) << 16)
            .Load(BpfSize.U32, R1, R6, 16)
            .Store(BpfSize.U32, Frame, KeyAddress + 12, R1)
            .And(R2, 0xf)
            .ShiftLeft(R2, 2)
            .Add(R6, R2)
            .Jump("transport");
    }

    private static void IPv6(BpfAssembler program)
    {
        program.Label("IPv6");
        Need(program, 40);
        program
            .Load(BpfSize.U8, R1, R6, 0)
            .ShiftRight(R1, 4)
            .JumpIfNotEqual(R1, 6, nameof(SteeringReason.Malformed))
            .Load(BpfSize.U8, R9, R6, 6);
        for (int at = 0; at < 16; at += 4)
        {
            program
                .Load(BpfSize.U32, R1, R6, 8 + at).Store(BpfSize.U32, Frame, Source + at, R1)
                .Load(BpfSize.U32, R1, R6, 24 + at).Store(BpfSize.U32, Frame, KeyAddress + at, R1);
        }
        program.Add(R6, 40);
        for (int header = 0; header < ExtensionsAtMost; header++)
        {
            program
                .JumpIfEqual(R9, HopByHop, $"options {header}")
                .JumpIfEqual(R9, Routing, $"options {header}")
                .JumpIfEqual(R9, DestinationOptions, $"options {header}")
                .JumpIfNotEqual(R9, Fragment, "transport");
            Need(program, 8);
            program
                .Load(BpfSize.U16, R1, R6, 2)
                .And(R1, BpfAssembler.Network(0xfff9)) // The offset, and more fragments; neither is an atomic fragment (RFC 6946)
                .JumpIfNotEqual(R1, 0, nameof(SteeringReason.Fragment))
                .Load(BpfSize.U8, R9, R6, 0)
                .Add(R6, 8)
                .Jump($"after {header}")
                .Label($"options {header}");
            Need(program, 8);
            program
                .Load(BpfSize.U8, R9, R6, 0)
                .Load(BpfSize.U8, R1, R6, 1)
                .Add(R1, 1)
                .ShiftLeft(R1, 3)
                .Add(R6, R1)
                .Label($"after {header}");
        }
        program
            .JumpIfEqual(R9, HopByHop, nameof(SteeringReason.Extensions))
            .JumpIfEqual(R9, Routing, nameof(SteeringReason.Extensions))
            .JumpIfEqual(R9, DestinationOptions, nameof(SteeringReason.Extensions))
            .JumpIfEqual(R9, Fragment, nameof(SteeringReason.Extensions));
    }

    /// <summary>ESP, and UDP that may have ESP or IKE inside.</summary>
    private static void Transport(BpfAssembler program, XdpMaps maps)
    {
        program
            .Label("transport")
            .JumpIfEqual(R9, Esp, "ESP")
            .JumpIfEqual(R9, SteeringEntry.Udp, "UDP")
            .JumpIfEqual(R9, SteeringEntry.Tcp, "TCP")
            .Jump(nameof(SteeringReason.Protocol));

        program.Label("ESP");
        Need(program, 8); // SPI and sequence number
        program
            .Load(BpfSize.U32, R1, R6, 0)
            .Store(BpfSize.U32, Frame, KeySpi, R1)
            .Store(BpfSize.U8, Frame, Key, (int)SteeringKind.Spi);
        LookUp(program, maps.Entries, Key);
        program.Jump(nameof(SteeringReason.NoEntry));

        program.Label("UDP");
        Need(program, 8);
        program
            .Load(BpfSize.U32, R1, R6, 0)
            .Store(BpfSize.U32, Frame, Ports, R1)
            .Load(BpfSize.U16, R2, R6, 0)
            .Load(BpfSize.U16, R3, R6, 2)
            .JumpIfEqual(R2, BpfAssembler.Network(500), nameof(SteeringReason.Ike))
            .JumpIfEqual(R3, BpfAssembler.Network(500), nameof(SteeringReason.Ike));
        for (int port = 0; port < SteeringConfig.EspPortsAtMost; port++)
        {
            program
                .Load(BpfSize.U16, R4, R8, SteeringConfig.EspPortsOffset + (port * sizeof(ushort)))
                .JumpIfEqual(R4, 0, "flow")
                .JumpIfEqual(R4, R2, "ESP in UDP")
                .JumpIfEqual(R4, R3, "ESP in UDP");
        }
        program
            .Jump("flow")
            .Label("ESP in UDP")
            .Load(BpfSize.U16, R1, R6, 4) // What is padding of a short frame is no SPI.
            .HostOrder16(R1)
            .JumpIfLess(R1, 12, nameof(SteeringReason.Ike));
        Need(program, 12);
        program
            .Load(BpfSize.U32, R1, R6, 8)
            .JumpIfEqual(R1, 0, nameof(SteeringReason.Ike))
            .Store(BpfSize.U32, Frame, KeySpi, R1)
            .Store(BpfSize.U8, Frame, Key, (int)SteeringKind.Spi);
        LookUp(program, maps.Entries, Key);
        program
            .Load(BpfSize.U16, R1, Frame, Ports)
            .Store(BpfSize.U16, Frame, Key + KeyPort, R1)
            .Store(BpfSize.U32, Frame, KeySpi, 0)
            .Store(BpfSize.U8, Frame, Key, (int)SteeringKind.SourcePort);
        LookUp(program, maps.Entries, Key);
        program.Jump(nameof(SteeringReason.NoEntry));
    }

    /// <summary>TCP and UDP in clear: by a port that is listed, else by a hash over the five-tuple.</summary>
    private static void Flow(BpfAssembler program, XdpMaps maps)
    {
        program.Label("TCP");
        Need(program, 20);
        program
            .Load(BpfSize.U32, R1, R6, 0)
            .Store(BpfSize.U32, Frame, Ports, R1)
            .Label("flow")
            .Load(BpfSize.U32, R1, R8, SteeringConfig.FlowPortCountOffset)
            .JumpIfEqual(R1, 0, "hash")
            .Store(BpfSize.U8, Frame, PortKey, (int)SteeringKind.FlowPort)
            .Store(BpfSize.U8, Frame, PortKey + KeyProtocol, R9);
        foreach (int port in (int[])[Ports + 2, Ports])
        {
            program.Load(BpfSize.U16, R1, Frame, port).Store(BpfSize.U16, Frame, PortKey + KeyPort, R1);
            LookUp(program, maps.Entries, PortKey);
        }

        // Each word is XORed in, then the state multiplied and its upper half, which the multiplication mixes best, XORed into the lower.
        program
            .Label("hash")
            .Load(BpfSize.U32, R5, R8, SteeringConfig.FlowCpuCountOffset)
            .JumpIfEqual(R5, 0, nameof(SteeringReason.NoEntry))
            .LoadConstant(R4, HashMultiplier)
            .Load(BpfSize.U32, R1, Frame, Ports)
            .ShiftLeft(R1, 8)
            .Add(R1, R9);
        Mix(program);
        foreach (int at in (int[])[Source, Source + 8, KeyAddress, KeyAddress + 8])
        {
            program.Load(BpfSize.U64, R2, Frame, at).Xor(R1, R2);
            Mix(program);
        }
        program
            .Move32(R1, R1)
            .Multiply(R1, R5)
            .ShiftRight(R1, 32)
            .JumpIfGreater(R1, SteeringConfig.FlowCpusAtMost - 1, nameof(SteeringReason.NoEntry))
            .ShiftLeft(R1, 2)
            .Add(R8, R1)
            .Load(BpfSize.U32, R9, R8, SteeringConfig.FlowCpusOffset)
            .Jump("redirect");

        static void Mix(BpfAssembler program) => program.Multiply(R1, R4).Move(R2, R1).ShiftRight(R2, 32).Xor(R1, R2);
    }

    private static void Verdicts(BpfAssembler program, XdpMaps maps)
    {
        program
            .Label("found")
            .Load(BpfSize.U32, R9, R0, 0)
            .Label("redirect")
            // A packet that is there already needs no queue and no thread, and keeps what the NIC found out about it.
            .Call(BpfHelper.GetSmpProcessorId)
            .Move(R6, XdpPass)
            .JumpIfEqual(R0, R9, "there")
            .LoadMap(R1, maps.Cpus)
            .Move(R2, R9)
            .Move(R3, XdpPass) // What is returned where the CPU is not set up
            .Call(BpfHelper.RedirectMap)
            .Move(R6, R0)
            .JumpIfNotEqual(R0, XdpRedirect, nameof(SteeringReason.NoCpu))
            .Label("there")
            .Add(R9, XdpMaps.Reasons)
            .Jump("count");
        foreach (SteeringReason reason in Enum.GetValues<SteeringReason>())
            program.Label(reason.ToString()).Move(R9, (int)reason).Move(R6, XdpPass).Jump("count");
        program
            .Label("count")
            .Store(BpfSize.U32, Frame, Index, R9)
            .LoadMap(R1, maps.Counts)
            .Move(R2, Frame).Add(R2, Index)
            .Call(BpfHelper.MapLookupElement)
            .JumpIfEqual(R0, 0, "end")
            .Load(BpfSize.U64, R1, R0, 0)
            .Add(R1, 1)
            .Store(BpfSize.U64, R0, 0, R1)
            .Label("end")
            .Move(R0, R6)
            .Exit();
    }

    /// <summary>The packet must have as many bytes from r6 on. Clobbers r1.</summary>
    private static void Need(BpfAssembler program, int bytes)
        => program.Move(R1, R6).Add(R1, bytes).JumpIfGreater(R1, R7, nameof(SteeringReason.Malformed));

    /// <summary>Goes on at "found" where there is an entry with that key. Clobbers r0 to r5.</summary>
    private static void LookUp(BpfAssembler program, BpfMap entries, int key)
        => program.LoadMap(R1, entries).Move(R2, Frame).Add(R2, key).Call(BpfHelper.MapLookupElement).JumpIfNotEqual(R0, 0, "found");
}
