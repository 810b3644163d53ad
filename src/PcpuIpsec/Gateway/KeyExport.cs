using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Gateway;

/// <summary>Appends keys to the tables from which Wireshark decrypts, in a folder that only its owner reads.</summary>
internal sealed class KeyExport(string folder)
{
    private readonly Lock _lock = new();

    public void Add(ExportIkeKeys e) => Append(WiresharkKeys.IkeFile, WiresharkKeys.IkeSa(e.SpiI, e.SpiR, e.Keys));

    public void Add(SaInstallation sa) => Append(WiresharkKeys.EspFile, WiresharkKeys.EspSa(sa));

    private void Append(string file, string? line)
    {
        if (line is null)
            return;
        lock (_lock)
        {
            using FileStream stream = new(Path.Combine(folder, file), new FileStreamOptions
            {
                Mode = FileMode.Append,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            using StreamWriter writer = new(stream);
            writer.Write(line + "\n");
        }
    }
}
