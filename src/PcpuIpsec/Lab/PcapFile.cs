using System.Buffers.Binary;

namespace PcpuIpsec.Lab;

/// <summary>One captured packet.</summary>
/// <param name="Time">When it was seen.</param>
/// <param name="OriginalLength">Its length on the wire.</param>
/// <param name="Bytes">What was kept of it, link header first.</param>
internal sealed record PcapPacket(DateTimeOffset Time, int OriginalLength, ReadOnlyMemory<byte> Bytes);

/// <summary>Reads the classic pcap format, of either byte order and resolution (draft-ietf-opsawg-pcap).</summary>
internal static class PcapFile
{
    private const int FileHeaderSize = 24, RecordHeaderSize = 16;
    private const uint Microseconds = 0xa1b2c3d4, Nanoseconds = 0xa1b23c4d;

    public static List<PcapPacket> Read(string path)
    {
        ReadOnlyMemory<byte> file = File.ReadAllBytes(path);
        if (file.Length < FileHeaderSize)
            throw Malformed(path, $"it has {file.Length} bytes, its header alone has {FileHeaderSize}");
        uint magic = BinaryPrimitives.ReadUInt32LittleEndian(file.Span);
        bool swapped = BinaryPrimitives.ReverseEndianness(magic) is Microseconds or Nanoseconds;
        uint order = swapped ? BinaryPrimitives.ReverseEndianness(magic) : magic;
        if (order is not (Microseconds or Nanoseconds))
            throw Malformed(path, $"it begins with 0x{magic:x8}");
        var packets = new List<PcapPacket>();
        for (int at = FileHeaderSize; at < file.Length;)
        {
            // ts_sec, ts_usec or ts_nsec, incl_len, orig_len
            if (file.Length - at < RecordHeaderSize)
                throw Malformed(path, $"it ends within the record header at byte {at}");
            ReadOnlySpan<byte> header = file.Span[at..];
            uint fraction = Field(header, 1);
            int kept = (int)Field(header, 2);
            if (kept < 0 || kept > file.Length - at - RecordHeaderSize)
                throw Malformed(path, $"the packet at byte {at} says that it has {(uint)kept} bytes");
            DateTimeOffset time = DateTimeOffset.FromUnixTimeSeconds(Field(header, 0))
                .AddTicks(order == Nanoseconds ? fraction / 100 : fraction * TimeSpan.TicksPerMicrosecond);
            packets.Add(new PcapPacket(time, (int)Field(header, 3), file.Slice(at + RecordHeaderSize, kept)));
            at += RecordHeaderSize + kept;
        }
        return packets;

        uint Field(ReadOnlySpan<byte> header, int index)
        {
            uint value = BinaryPrimitives.ReadUInt32LittleEndian(header[(index * 4)..]);
            return swapped ? BinaryPrimitives.ReverseEndianness(value) : value;
        }
    }

    private static PcpuIpsecException Malformed(string path, string reason)
        => new(PcpuIpsecError.HostUnable, $"{path} is no pcap file: {reason}.");
}
