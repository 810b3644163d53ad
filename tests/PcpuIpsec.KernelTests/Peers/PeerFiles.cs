namespace PcpuIpsec.KernelTests.Peers;

/// <summary>Files that we share with a peer's daemon.</summary>
internal static class PeerFiles
{
    /// <summary>Writes what nobody else may read.</summary>
    public static void WritePrivate(string path, string text)
    {
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
        using var writer = new StreamWriter(file);
        writer.Write(text);
    }

    /// <summary>What is in a file that another process writes to; empty where it does not exist yet.</summary>
    public static string ReadShared(string path)
    {
        if (!File.Exists(path))
            return "";
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }
}
