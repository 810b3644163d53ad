using System.Globalization;
using System.Net;

namespace PcpuIpsec.Host;

/// <summary>Who has a UDP port, for the error of a bind that failed: from /proc, as <c>ss -unlp</c> finds it.</summary>
internal static class UdpPortOwner
{
    private const string SocketPrefix = "socket:[";

    /// <summary>
    /// The processes whose sockets keep another from binding the address and port in the calling thread's network namespace,
    /// as "charon (process 4711)"; null where none can be told.
    /// </summary>
    public static string? Describe(IPEndPoint local)
    {
        HashSet<ulong> inodes = [.. Inodes("/proc/thread-self/net/udp", local), .. Inodes("/proc/thread-self/net/udp6", local)];
        if (inodes.Count == 0)
            return null;
        List<string> owners = [];
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int process) && HasSocket(folder, inodes))
                owners.Add($"{NameOf(folder)} (process {process})");
        }
        return owners.Count == 0 ? "a process that cannot be seen from here" : string.Join(" and ", owners);
    }

    /// <summary>The sockets of a table that are bound to the port and to the address, or to any.</summary>
    internal static IEnumerable<ulong> Inodes(IEnumerable<string> lines, IPEndPoint local)
    {
        foreach (string line in lines)
        {
            // sl local_address rem_address st queues tr retransmits uid timeout inode ...
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 10 || words[1].Split(':') is not [var address, var port]
                || !ushort.TryParse(port, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ushort number) || number != local.Port
                || AddressOf(address) is not { } bound || !ulong.TryParse(words[9], NumberStyles.None, CultureInfo.InvariantCulture, out ulong inode))
            {
                continue;
            }
            bool any = bound.Equals(IPAddress.Any) || bound.Equals(IPAddress.IPv6Any) || local.Address.Equals(IPAddress.Any) || local.Address.Equals(IPAddress.IPv6Any);
            // A socket of IPv6's any address may have IPv4's too.
            if (bound.Equals(local.Address) || (any && (bound.AddressFamily == local.AddressFamily || bound.Equals(IPAddress.IPv6Any))))
                yield return inode;
        }
    }

    private static IEnumerable<ulong> Inodes(string path, IPEndPoint local) => File.Exists(path) ? Inodes(File.ReadLines(path), local) : [];

    /// <summary>Words of 32 bits, each as the host has a number whose bytes are in network order.</summary>
    private static IPAddress? AddressOf(string hex)
    {
        if (hex.Length is not (8 or 32))
            return null;
        byte[] bytes = new byte[hex.Length / 2];
        for (int word = 0; word < hex.Length / 8; word++)
        {
            if (!uint.TryParse(hex.AsSpan(word * 8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value))
                return null;
            BitConverter.TryWriteBytes(bytes.AsSpan(word * 4), value);
        }
        return new IPAddress(bytes);
    }

    private static bool HasSocket(string process, HashSet<ulong> inodes)
    {
        try
        {
            return Directory.EnumerateFiles(process + "/fd").Any(fd => IsSocket(fd, inodes));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or is another user's.
            return false;
        }
    }

    private static bool IsSocket(string fd, HashSet<ulong> inodes)
    {
        try
        {
            return File.ResolveLinkTarget(fd, returnFinalTarget: false)?.Name is { } name && name.StartsWith(SocketPrefix, StringComparison.Ordinal)
                && ulong.TryParse(name.AsSpan(SocketPrefix.Length).TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out ulong inode) && inodes.Contains(inode);
        }
        catch (IOException)
        {
            // Closed meanwhile, which says nothing of the process's others.
            return false;
        }
    }

    private static string NameOf(string process)
    {
        try
        {
            return File.ReadAllText(process + "/comm").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "a program";
        }
    }
}
