using System.CommandLine;
using System.Security.Cryptography;

namespace PcpuIpsec.Host.Control;

/// <summary>The file with a <see cref="GatewayConfiguration"/>: it may hold keys, so only its owner may read it.</summary>
internal static class ConfigurationFile
{
    public static Option<string> Option(string description, string helpName) => new("--config")
    {
        Description = description,
        Required = true,
        HelpName = helpName,
    };

    public static GatewayConfiguration Read(string path)
    {
        byte[]? json = null;
        try
        {
            using FileStream file = File.OpenRead(path);
            const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
            UnixFileMode mode = File.GetUnixFileMode(file.SafeFileHandle);
            if ((mode & Others) != 0)
            {
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                    $"--config = '{path}' has mode 0{Convert.ToString((int)mode & 0x1ff, 8)}: it may hold keys, so only 0600 or 0400 is allowed.");
            }
            if (file.Length > LineReader.MaxLength)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--config = '{path}' has {file.Length} bytes; at most {LineReader.MaxLength} are allowed.");
            json = GC.AllocateUninitializedArray<byte>((int)file.Length, pinned: true);
            file.ReadExactly(json);
            return GatewayConfiguration.Parse(json);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--config = '{path}' cannot be read: {e.Message}", e);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(json);
        }
    }
}
