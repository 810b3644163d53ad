using System.Runtime.InteropServices;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

internal sealed partial class EthtoolSocket
{
    /// <summary>struct ethtool_per_queue_op: the command, the one for each queue, and a bit for each of 4096 queues.</summary>
    private const int PerQueueHeaderSize = 8 + (4096 / 8);

    private const int CoalesceSize = (1 + CoalesceParameter.InStruct) * sizeof(uint);

    /// <summary>ETHTOOL_MSG_COALESCE_GET: what the driver has, by ethtool's names and in its order; 0 and 1 are off and on where it is a switch.</summary>
    public IReadOnlyDictionary<string, long>? Coalescing(string link) => Get(link, EthtoolMessage.CoalesceGet, "coalescing", static attributes =>
    {
        var values = new OrderedDictionary<string, long>();
        foreach (NetlinkAttribute attribute in attributes)
        {
            if (CoalesceParameter.NameOf(attribute.Type) is { } name)
                values[name] = CoalesceParameter.IsSwitch(name) ? attribute.U8 : attribute.U32;
        }
        return values;
    });

    /// <summary>ETHTOOL_MSG_COALESCE_SET. Where the driver can set each queue by itself, this sets them all: <see cref="SetQueueCoalescing"/> is what puts those back.</summary>
    /// <returns>What is there now.</returns>
    public IReadOnlyDictionary<string, long> SetCoalescing(string link, IReadOnlyDictionary<string, long> wanted)
    {
        IReadOnlyDictionary<string, long> now = Present(Coalescing(link), link, "coalescing");
        KeyValuePair<string, long>[] changes = CoalesceChanges(link, now, wanted);
        if (changes.Length == 0)
            return now;
        Set(link, EthtoolMessage.CoalesceSet, "coalescing", (ref NetlinkRequest request) =>
        {
            foreach ((string name, long value) in changes)
            {
                if (CoalesceParameter.IsSwitch(name))
                    request.U8(CoalesceParameter.AttributeOf(name), (byte)value);
                else
                    request.U32(CoalesceParameter.AttributeOf(name), (uint)value);
            }
        });
        return Present(Coalescing(link), link, "coalescing");
    }

    /// <summary>ETHTOOL_GCOALESCE of one queue, limited to the names that the interface as a whole has; null where the driver has none for each queue, or not this queue.</summary>
    public IReadOnlyDictionary<string, long>? QueueCoalescing(string link, int queue)
    {
        if (Coalescing(link) is not { } whole || ReadQueue(link, queue) is not { } fields)
            return null;
        var values = new OrderedDictionary<string, long>();
        foreach (string name in whole.Keys)
        {
            if (CoalesceParameter.FieldOf(name) is { } field)
                values[name] = fields[field];
        }
        return values;
    }

    /// <summary>ETHTOOL_SCOALESCE of one queue.</summary>
    /// <returns>What is there now.</returns>
    public IReadOnlyDictionary<string, long> SetQueueCoalescing(string link, int queue, IReadOnlyDictionary<string, long> wanted)
    {
        string what = $"coalescing of queue {queue}";
        IReadOnlyDictionary<string, long> now = Present(QueueCoalescing(link, queue), link, what);
        KeyValuePair<string, long>[] changes = CoalesceChanges(link, now, wanted);
        if (changes.Length == 0)
            return now;
        // The kernel takes the structure as a whole: what is not to change has to be what it is.
        uint[] fields = Present(ReadQueue(link, queue), link, what);
        foreach ((string name, long value) in changes)
            fields[CoalesceParameter.FieldOf(name)!.Value] = (uint)value;
        fields[0] = EthtoolCommand.SetCoalesce;
        byte[] command = PerQueue(EthtoolCommand.SetCoalesce, queue);
        MemoryMarshal.AsBytes(fields.AsSpan()).CopyTo(command.AsSpan(PerQueueHeaderSize));
        Do(link, $"set {what}", command);
        return Present(QueueCoalescing(link, queue), link, what);
    }

    private uint[]? ReadQueue(string link, int queue)
    {
        byte[] command = PerQueue(EthtoolCommand.GetCoalesce, queue);
        MemoryMarshal.Write(command.AsSpan(PerQueueHeaderSize), EthtoolCommand.GetCoalesce);
        return Ask(link, $"coalescing of queue {queue}", command) ? MemoryMarshal.Cast<byte, uint>(command.AsSpan(PerQueueHeaderSize)).ToArray() : null;
    }

    private static byte[] PerQueue(uint command, int queue)
    {
        if (queue is < 0 or >= 4096)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"queue = {queue}: allowed are 0 to 4095.");
        byte[] bytes = new byte[PerQueueHeaderSize + CoalesceSize];
        MemoryMarshal.Write(bytes, EthtoolCommand.PerQueue);
        MemoryMarshal.Write(bytes.AsSpan(4), command);
        // An array of 32-bit words.
        MemoryMarshal.Cast<byte, uint>(bytes.AsSpan(8))[queue / 32] = 1u << (queue % 32);
        return bytes;
    }

    private static KeyValuePair<string, long>[] CoalesceChanges(string link, IReadOnlyDictionary<string, long> now, IReadOnlyDictionary<string, long> wanted)
    {
        foreach ((string name, long value) in wanted)
        {
            if (!now.ContainsKey(name))
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"coalescing parameter = '{name}': {link} has {(now.Count == 0 ? "none" : string.Join(", ", now.Keys))}.");
            long most = CoalesceParameter.IsSwitch(name) ? 1 : uint.MaxValue;
            if (value < 0 || value > most)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{name} = {value}: allowed are 0 to {most}.");
        }
        return [.. wanted.Where(w => now[w.Key] != w.Value)];
    }
}
