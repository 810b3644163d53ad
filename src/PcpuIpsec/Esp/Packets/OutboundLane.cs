using System.Runtime.InteropServices;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Esp.Packets;

/// <summary>What one worker has of its own in an outbound SA.</summary>
internal sealed class OutboundLane(PacketCipher cipher, IvPool? ivs)
{
    public readonly PacketCipher Cipher = cipher;
    public readonly IvPool? Ivs = ivs;
    public LaneCounters Counters;
}

/// <summary>Counters that one thread writes, with room around them so that no other thread's data shares their cache lines.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct LaneCounters
{
    [FieldOffset(128)] public long Packets;
    [FieldOffset(136)] public long Bytes;
    [FieldOffset(144)] public long Drops;
    [FieldOffset(152)] public long ReplayDrops;
    [FieldOffset(160)] public long IntegrityDrops;
}

/// <summary>What the workers of one outbound SA share, away from the fields that they only read.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct SharedNumbers
{
    /// <summary>The last number given.</summary>
    [FieldOffset(128)] public ulong Sequence;
    [FieldOffset(136)] public ulong Bytes;
}
