using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Gateway;

/// <summary>Reads a pre-shared key from a file that its owner alone may read.</summary>
internal static class PreSharedKeyFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    public static Secret Read(string path, string field)
    {
        // One byte more than allowed tells a file that is too long; a line break of two may stand at the end.
        byte[] buffer = GC.AllocateArray<byte>(TunnelOptions.MaxKeyLength + 3, pinned: true);
        try
        {
            int length = ReadAll(path, field, buffer);
            ReadOnlySpan<byte> key = KeyIn(buffer.AsSpan(0, length));
            return key.Length is >= 1 and <= TunnelOptions.MaxKeyLength
                ? Secret.CopyOf(key)
                : throw Bad(field, path, $"holds {(key.IsEmpty ? "no key" : "too long a key")}; allowed are 1 to {TunnelOptions.MaxKeyLength} bytes");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(buffer);
        }
    }

    /// <summary>The key in what a file or a request holds: a line break at its end is no part of it.</summary>
    public static ReadOnlySpan<byte> KeyIn(ReadOnlySpan<byte> content)
    {
        if (content.EndsWith("\n"u8))
            content = content[..^1];
        return content.EndsWith("\r"u8) ? content[..^1] : content;
    }

    private static int ReadAll(string path, string field, Span<byte> buffer)
    {
        try
        {
            // The mode is asked of what was opened: a path could be exchanged between the check and the reading.
            using SafeFileHandle file = Open(path);
            UnixFileMode mode = File.GetUnixFileMode(file);
            if ((mode & ~OwnerOnly) != 0)
                throw Bad(field, path, $"has mode {Octal(mode)}; allowed are 0600 and 0400, since others could read the key");
            uint owner = Libc.OwnerOf(file), user = Libc.GetEffectiveUser();
            if (owner != 0 && owner != user)
                throw Bad(field, path, $"belongs to user {owner}, who could read and exchange the key; allowed {(user == 0 ? "is root (0)" : $"are root (0) and this process's own user ({user})")}");
            int length = 0;
            while (length < buffer.Length)
            {
                int read = RandomAccess.Read(file, buffer[length..], length);
                if (read == 0)
                    break;
                length += read;
            }
            return length;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{field}: '{path}' cannot be read ({e.Message}); allowed is a file with the key", e);
        }
    }

    // What is no file at all, a pipe say, must not have us wait for its writer; it then holds nothing.
    private static SafeFileHandle Open(string path)
    {
        int file = Libc.Open(Path.GetFullPath(path), Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NONBLOCK, 0);
        return file >= 0 ? new SafeFileHandle(file, ownsHandle: true) : throw new IOException(Libc.Describe(Libc.Errno));
    }

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');

    private static PcpuIpsecException Bad(string field, string path, string what)
        => new(PcpuIpsecError.InvalidOption, $"{field}: '{path}' {what}");
}
