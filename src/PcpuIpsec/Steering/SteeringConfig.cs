using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PcpuIpsec.Steering;

/// <summary>The program's settings, the single value of a map. The kernel writes it word by word under the program's eyes: each word is good by itself.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct SteeringConfig
{
    public const int EspPortsAtMost = 4, FlowCpusAtMost = 1024;

    /// <summary>Raised whenever a map's layout or what the program does with it changes.</summary>
    public const uint CurrentVersion = 1;

    // Where the program finds the fields.
    public const int FlowPortCountOffset = 12, FlowCpuCountOffset = 16, EspPortsOffset = 20, FlowCpusOffset = 28;

    public uint Version;

    /// <summary>What the kernel turned off on the interface for the program; kept here so that it is known as long as the program runs.</summary>
    public TurnedOff TurnedOff;

    /// <summary>Of each CPU; for whoever takes over, the program has no use for it.</summary>
    public uint QueueSize;

    /// <summary>How many <see cref="SteeringKind.FlowPort"/> entries there are: with none no look-up is made.</summary>
    public uint FlowPortCount;

    /// <summary>How many of <see cref="FlowCpus"/> count; 0 leaves flows in clear where they are.</summary>
    public uint FlowCpuCount;

    /// <summary>The ports that have ESP in UDP, in network order; 0 ends the list.</summary>
    public EspPortList EspPorts;

    /// <summary>The CPUs that flows in clear are spread over.</summary>
    public CpuSlots FlowCpus;

    [InlineArray(EspPortsAtMost)]
    internal struct EspPortList
    {
        private ushort _first;
    }

    [InlineArray(FlowCpusAtMost)]
    internal struct CpuSlots
    {
        private uint _first;
    }
}

/// <summary>What generic mode turns off and never on again (net/core/dev.c, generic_xdp_install).</summary>
[Flags]
internal enum TurnedOff : uint
{
    None = 0,
    LargeReceive = 1,
    HardwareGro = 2,
}
