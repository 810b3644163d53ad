using System.Net.NetworkInformation;
using System.Runtime.InteropServices;
using System.Text;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Ethtool;

internal sealed partial class EthtoolSocket
{
    /// <summary>ETH_SS_STATS: the names of the counters; each takes ETH_GSTRING_LEN bytes.</summary>
    private const uint StatisticsSet = 1;

    private const int NameSize = 32;
    private const int StatisticsAttempts = 4;

    /// <summary>ETHTOOL_GDRVINFO.</summary>
    public DriverInfo? Driver(string link)
    {
        // struct ethtool_drvinfo: cmd, driver[32], version[32], fw_version[32], bus_info[32], erom_version[32], reserved2[12], five counts
        const int Size = 196, Name = 4, Version = 36, Firmware = 68, Bus = 100;
        byte[] command = new byte[Size];
        MemoryMarshal.Write(command, EthtoolCommand.GetDriver);
        return Ask(link, "driver", command) ? new DriverInfo(Text(command, Name), Text(command, Version), Text(command, Firmware), Text(command, Bus)) : null;
    }

    /// <summary>ETHTOOL_GPERMADDR: what the hardware was made with; null where it has none.</summary>
    public PhysicalAddress? PermanentAddress(string link)
    {
        // struct ethtool_perm_addr: cmd, size, bytes. MAX_ADDR_LEN is 32.
        const int Header = 8, Longest = 32;
        byte[] command = new byte[Header + Longest];
        MemoryMarshal.Write(command, EthtoolCommand.GetPermanentAddress);
        MemoryMarshal.Write(command.AsSpan(4), (uint)Longest);
        if (!Ask(link, "permanent address", command))
            return null;
        int length = (int)uint.Min(MemoryMarshal.Read<uint>(command.AsSpan(4)), Longest);
        ReadOnlySpan<byte> address = command.AsSpan(Header, length);
        return address.ContainsAnyExcept((byte)0) ? new PhysicalAddress(address.ToArray()) : null;
    }

    /// <summary>ETHTOOL_GSTATS: the driver's own counters, by its own names and in its order; none where it has none. A name that comes again gets a number.</summary>
    public IReadOnlyDictionary<string, ulong> Statistics(string link)
    {
        for (int attempt = 1; attempt <= StatisticsAttempts; attempt++)
        {
            // A change of channels between these may change their number.
            if (CountStatistics(link) is not (> 0 and var count))
                return new OrderedDictionary<string, ulong>();
            if (Names(link, count) is { } names && Values(link, count) is { } values)
                return Unique(names, values);
        }
        throw new EthtoolException("get statistics", link, Libc.EAGAIN, $"their number changed during each of {StatisticsAttempts} attempts");
    }

    /// <summary>ETHTOOL_GSSET_INFO.</summary>
    private int CountStatistics(string link)
    {
        // struct ethtool_sset_info: cmd, reserved, sset_mask (64 bits), a count for each bit that the kernel leaves set
        byte[] command = new byte[20];
        MemoryMarshal.Write(command, EthtoolCommand.GetStringSetInfo);
        MemoryMarshal.Write(command.AsSpan(8), 1UL << (int)StatisticsSet);
        if (!Ask(link, "statistics", command) || MemoryMarshal.Read<ulong>(command.AsSpan(8)) == 0)
            return 0;
        return (int)MemoryMarshal.Read<uint>(command.AsSpan(16));
    }

    /// <summary>ETHTOOL_GSTRINGS; null where there are not as many.</summary>
    private string[]? Names(string link, int count)
    {
        // struct ethtool_gstrings: cmd, string_set, len, names. Kernels before 6.19 write as many as there are, whatever len says: room for more.
        const int Header = 12;
        byte[] command = new byte[Header + (NameSize * Room(count))];
        MemoryMarshal.Write(command, EthtoolCommand.GetStrings);
        MemoryMarshal.Write(command.AsSpan(4), StatisticsSet);
        MemoryMarshal.Write(command.AsSpan(8), (uint)count);
        if (!Ask(link, "names of statistics", command) || MemoryMarshal.Read<uint>(command.AsSpan(8)) != count)
            return null;
        return [.. Enumerable.Range(0, count).Select(i => Text(command, Header + (NameSize * i)))];
    }

    /// <summary>ETHTOOL_GSTATS; null where there are not as many.</summary>
    private ulong[]? Values(string link, int count)
    {
        // struct ethtool_stats: cmd, n_stats, values
        const int Header = 8;
        byte[] command = new byte[Header + (sizeof(ulong) * Room(count))];
        MemoryMarshal.Write(command, EthtoolCommand.GetStatistics);
        MemoryMarshal.Write(command.AsSpan(4), (uint)count);
        if (!Ask(link, "statistics", command) || MemoryMarshal.Read<uint>(command.AsSpan(4)) != count)
            return null;
        return MemoryMarshal.Cast<byte, ulong>(command.AsSpan(Header, sizeof(ulong) * count)).ToArray();
    }

    private static int Room(int count) => (2 * count) + 1024;

    private static OrderedDictionary<string, ulong> Unique(string[] names, ulong[] values)
    {
        var unique = new OrderedDictionary<string, ulong>();
        for (int i = 0; i < names.Length; i++)
        {
            string name = names[i];
            for (int again = 2; !unique.TryAdd(name, values[i]); again++)
                name = $"{names[i]}#{again}";
        }
        return unique;
    }

    /// <summary>A name of at most 32 bytes, without the blanks that some drivers put before it.</summary>
    private static string Text(byte[] command, int offset)
    {
        ReadOnlySpan<byte> bytes = command.AsSpan(offset, NameSize);
        int end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]).Trim();
    }
}
