namespace PcpuIpsec.Tuning;

/// <summary>Where the kernel's files are; tests have trees of their own.</summary>
internal sealed class HostFiles(string root = "/")
{
    public string Proc(string path) => Path.Combine(root, "proc", path);

    public string Sys(string path) => Path.Combine(root, "sys", path);

    public string OfLink(string link, string path = "") => Path.Combine(root, "sys/class/net", link, path);

    /// <summary>A file's text without the line's end; null where it is not there or has nothing to tell.</summary>
    public static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path).TrimEnd('\n');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>The names in a folder, in the order of the numbers in them; none where it is not there.</summary>
    public static IReadOnlyList<string> Names(string folder)
        => Directory.Exists(folder)
            ? [.. Directory.EnumerateFileSystemEntries(folder).Select(p => Path.GetFileName(p)).OrderBy(n => n.TrimEnd('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'), StringComparer.Ordinal).ThenBy(n => n.Length).ThenBy(n => n, StringComparer.Ordinal)]
            : [];
}
