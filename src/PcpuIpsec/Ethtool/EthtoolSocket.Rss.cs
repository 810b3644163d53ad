using System.Runtime.InteropServices;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Ethtool;

/// <summary>Hashing. By ioctl, which every kernel has: netlink reads it since 6.2, sets it since 6.17, and never resets it.</summary>
internal sealed partial class EthtoolSocket
{
    // struct ethtool_rxfh: cmd, rss_context, indir_size, key_size, hfunc (u8), input_xfrm (u8, since 6.8; before it zero), rsvd8[2], rsvd32, table (u32 each), key
    private const int RssHeaderSize = 24, RssContextAt = 4, RssTableSizeAt = 8, RssKeySizeAt = 12, RssHashAt = 16, RssTransformAt = 17;

    /// <summary>ETH_RXFH_INDIR_NO_CHANGE and ETH_RXFH_CONTEXT_ALLOC.</summary>
    private const uint SameTable = uint.MaxValue, NewContext = uint.MaxValue;

    /// <summary>ETHTOOL_GRSSH; null where the driver has neither key nor table.</summary>
    /// <param name="link">The interface.</param>
    /// <param name="context">0 is the one that packets take which no rule sends to another.</param>
    public Rss? Rss(string link, uint context = 0)
    {
        string what = context == 0 ? "RSS" : $"RSS context {context}";
        byte[] sizes = RssCommand(EthtoolCommand.GetRss, context, 0, 0);
        if (!Ask(link, what, sizes))
            return null;
        int entries = MemoryMarshal.Read<int>(sizes.AsSpan(RssTableSizeAt)), keySize = MemoryMarshal.Read<int>(sizes.AsSpan(RssKeySizeAt));
        if (entries == 0 && keySize == 0)
            return null;
        byte[] command = RssCommand(EthtoolCommand.GetRss, context, (uint)entries, (uint)keySize);
        if (!Ask(link, what, command))
            return null;
        int keyAt = RssHeaderSize + (entries * sizeof(int));
        return new Rss
        {
            Hash = (RssHash)command[RssHashAt],
            InputTransform = command[RssTransformAt],
            Table = [.. MemoryMarshal.Cast<byte, int>(command.AsSpan(RssHeaderSize, keyAt - RssHeaderSize))],
            Key = [.. command.AsSpan(keyAt, keySize)],
            Rings = RxRings(link) ?? 0,
        };
    }

    /// <summary>ETHTOOL_SRSSH. A table that was set stays where queues are added, and forbids to take away those that it names: see <see cref="ResetRssTable"/>.</summary>
    /// <returns>What is there now.</returns>
    public Rss SetRss(string link, Rss wanted, uint context = 0)
    {
        Rss now = Present(Rss(link, context), link, "RSS");
        bool sameTable = now.Table.SequenceEqual(wanted.Table), sameKey = now.Key.SequenceEqual(wanted.Key);
        if (sameTable && sameKey && (now.Hash, now.InputTransform) == (wanted.Hash, wanted.InputTransform))
            return now;
        if (!sameKey && wanted.Key.Length != now.Key.Length)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS key = {wanted.Key.Length} bytes: {link} takes {now.Key.Length}.");
        if (!sameTable)
            CheckTable(link, wanted.Table, now);
        byte[] command = RssCommand(EthtoolCommand.SetRss, context, sameTable ? SameTable : (uint)wanted.Table.Length, sameKey ? 0 : (uint)wanted.Key.Length);
        // 0 leaves the function. The transformation has such a number only where the kernel knows it: what is there goes back.
        command[RssHashAt] = wanted.Hash == now.Hash ? (byte)0 : (byte)wanted.Hash;
        command[RssTransformAt] = wanted.InputTransform;
        int keyAt = WriteTable(command, sameTable ? [] : wanted.Table);
        if (!sameKey)
            wanted.Key.CopyTo(command.AsSpan(keyAt));
        Do(link, context == 0 ? "set RSS" : $"set RSS context {context}", command);
        return Present(Rss(link, context), link, "RSS");
    }

    /// <summary>Leaves the table to the driver again, as it is where nobody ever set one.</summary>
    /// <returns>What is there now.</returns>
    public Rss ResetRssTable(string link)
    {
        Rss now = Present(Rss(link), link, "RSS");
        byte[] command = RssCommand(EthtoolCommand.SetRss, 0, 0, 0);
        command[RssTransformAt] = now.InputTransform;
        Do(link, "reset the RSS table", command);
        return Present(Rss(link), link, "RSS");
    }

    /// <summary>Makes another context: a table of its own for packets that a rule sends to it.</summary>
    /// <returns>Its number, which the driver chooses.</returns>
    public uint CreateRssContext(string link, IReadOnlyList<int> table)
    {
        Rss now = Rss(link) ?? throw new EthtoolException("create an RSS context", link, Libc.EOPNOTSUPP);
        CheckTable(link, table, now);
        byte[] command = RssCommand(EthtoolCommand.SetRss, NewContext, (uint)table.Count, 0);
        command[RssTransformAt] = now.InputTransform;
        _ = WriteTable(command, table);
        Do(link, "create an RSS context", command);
        return MemoryMarshal.Read<uint>(command.AsSpan(RssContextAt));
    }

    public void DeleteRssContext(string link, uint context)
    {
        if (context is 0 or NewContext)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS context = {context}: allowed are those that were created.");
        Do(link, $"delete the RSS context {context}", RssCommand(EthtoolCommand.SetRss, context, 0, 0));
    }

    /// <summary>A dump of ETHTOOL_MSG_RSS_GET: the contexts beside 0; null where the kernel does not list them (before 6.12).</summary>
    public IReadOnlyList<uint>? RssContexts(string link)
    {
        NetlinkRequest request = Request(link, EthtoolMessage.RssGet);
        try
        {
            request.U32(EthtoolAttribute.RssStartContext, 1);
            return
            [
                .. socket.Dump<object>($"list RSS contexts of {link}", request, (type, payload) =>
                {
                    if (type != family)
                        return null;
                    foreach (NetlinkAttribute attribute in AttributesOf(type, payload))
                    {
                        if (attribute.Type == EthtoolAttribute.RssContext)
                            return attribute.U32;
                    }
                    return null;
                }).Cast<uint>().Where(c => c != 0).Order(),
            ];
        }
        catch (NetlinkException e) when (EthtoolException.IsUnsupported(e.Errno) || e.Errno == Libc.EINVAL)
        {
            return null; // EINVAL: a kernel that does not know where to start, which came together with the dump.
        }
        catch (NetlinkException e)
        {
            throw Refused("list RSS contexts", link, e.Errno, e);
        }
        finally
        {
            request.Dispose();
        }
    }

    /// <summary>ETHTOOL_GRXFH: what of such packets is hashed; null where the driver does not know them.</summary>
    public HashFields? HashFields(string link, FlowType type)
    {
        byte[] command = Classification(EthtoolCommand.GetHashFields);
        MemoryMarshal.Write(command.AsSpan(FlowTypeAt), (uint)type);
        CheckName(link);
        int errno = control.Control(link, command);
        // Drivers say EINVAL to what they do not tell apart.
        if (EthtoolException.IsUnsupported(errno) || errno == Libc.EINVAL)
            return null;
        return errno == 0 ? (HashFields)MemoryMarshal.Read<ulong>(command.AsSpan(DataAt)) : throw Refused($"get hash fields for {type}", link, errno);
    }

    /// <summary>ETHTOOL_SRXFH.</summary>
    /// <returns>What is there now.</returns>
    public HashFields? SetHashFields(string link, FlowType type, HashFields fields)
    {
        if (HashFields(link, type) == fields)
            return fields;
        byte[] command = Classification(EthtoolCommand.SetHashFields);
        MemoryMarshal.Write(command.AsSpan(FlowTypeAt), (uint)type);
        MemoryMarshal.Write(command.AsSpan(DataAt), (ulong)fields);
        Do(link, $"set hash fields for {type}", command);
        return HashFields(link, type);
    }

    /// <summary>ETHTOOL_GRXRINGS.</summary>
    private int? RxRings(string link)
    {
        byte[] command = Classification(EthtoolCommand.GetRxRings);
        return Ask(link, "RX rings", command) ? (int)MemoryMarshal.Read<ulong>(command.AsSpan(DataAt)) : null;
    }

    private static byte[] RssCommand(uint command, uint context, uint entries, uint keySize)
    {
        byte[] bytes = new byte[RssHeaderSize + ((entries == SameTable ? 0 : (int)entries) * sizeof(int)) + (int)keySize];
        MemoryMarshal.Write(bytes, command);
        MemoryMarshal.Write(bytes.AsSpan(RssContextAt), context);
        MemoryMarshal.Write(bytes.AsSpan(RssTableSizeAt), entries);
        MemoryMarshal.Write(bytes.AsSpan(RssKeySizeAt), keySize);
        return bytes;
    }

    /// <summary>Gives where the key begins.</summary>
    private static int WriteTable(byte[] command, IReadOnlyList<int> table)
    {
        for (int i = 0; i < table.Count; i++)
            MemoryMarshal.Write(command.AsSpan(RssHeaderSize + (i * sizeof(int))), table[i]);
        return RssHeaderSize + (table.Count * sizeof(int));
    }

    private static void CheckTable(string link, IReadOnlyList<int> table, Rss now)
    {
        if (table.Count != now.Table.Length)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS table = {table.Count} entries: {link} takes {now.Table.Length}.");
        if (table.FirstOrDefault(q => q < 0 || q >= now.Rings, -1) is var queue && table.Any(q => q < 0 || q >= now.Rings))
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"RSS table: queue {queue}: {link} has {(now.Rings == 0 ? "none" : $"0 to {now.Rings - 1}")}.");
    }
}
