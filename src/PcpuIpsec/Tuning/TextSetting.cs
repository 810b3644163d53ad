namespace PcpuIpsec.Tuning;

/// <summary>A file of the kernel's that holds one value.</summary>
internal sealed class TextSetting(string key, string path) : ISetting
{
    public string Key => key;

    public string? Read()
    {
        try
        {
            return File.ReadAllText(path).TrimEnd('\n');
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Some say that they have nothing to tell by an error, as xps_cpus does with one queue.
            throw Refused("cannot be read", e);
        }
    }

    public void Write(string value)
    {
        try
        {
            // The kernel takes a value by one write, and makes no files.
            using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.Write, BufferSize = 0 });
            file.Write(System.Text.Encoding.ASCII.GetBytes(value + "\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Refused($"does not take '{value}'", e);
        }
    }

    public bool AreSame(string one, string other) => CpuMask.AreSame(one, other);

    private PcpuIpsecException Refused(string what, Exception e) => new(PcpuIpsecError.KernelRefused, $"{key} ({path}) {what}: {e.Message}", e);
}
