using System.Buffers.Binary;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Resources;

/// <summary>
/// The opaque contents of SA_RESOURCE_INFO (RFC 9611 §5.1): random, so that they say nothing about the CPU's number
/// or about how many CPUs there are (§7), the same for a CPU as long as the group lives, and no two alike.
/// </summary>
internal sealed class ResourceIdentifiers(IRandomSource random)
{
    private const int Length = 8;
    private readonly Dictionary<int, byte[]> _byCpu = [];
    private readonly HashSet<ulong> _taken = [];

    public byte[] For(int cpu)
    {
        if (_byCpu.TryGetValue(cpu, out byte[]? known))
            return (byte[])known.Clone();
        byte[] identifier = new byte[Length];
        random.Fill(identifier);
        ulong value = BinaryPrimitives.ReadUInt64BigEndian(identifier);
        while (!_taken.Add(value))
            value++;
        BinaryPrimitives.WriteUInt64BigEndian(identifier, value);
        _byCpu.Add(cpu, identifier);
        return (byte[])identifier.Clone();
    }
}
