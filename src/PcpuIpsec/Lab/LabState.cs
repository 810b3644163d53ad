using System.Security.Cryptography;
using System.Text.Json;
using PcpuIpsec.Host;

namespace PcpuIpsec.Lab;

/// <summary>
/// What a lab makes, written to disk before it is made, so that a later start can clear what a killed one left. Namespaces
/// are all there is: the interfaces are born in them and go with them, and the processes are found by the namespace that
/// they are in, children of children included.
/// </summary>
/// <param name="Id">Eight hexadecimal digits.</param>
/// <param name="Owner">The process whose end makes the lab garbage.</param>
/// <param name="Namespaces">Their names.</param>
internal sealed record LabState(string Id, ProcessIdentity Owner, IReadOnlyList<string> Namespaces)
{
    public const string DefaultFolder = "/run/pcpu-ipsec/lab";

    private static readonly JsonSerializerOptions _json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    /// <summary>A name that no other lab has, with nothing made yet.</summary>
    public static LabState New(IEnumerable<string> hosts)
    {
        string id = RandomNumberGenerator.GetHexString(8, lowercase: true);
        return new LabState(id, ProcessIdentity.Current, [.. hosts.Select(h => $"pcpu-{id}-{h}")]);
    }

    public static string PathOf(string folder, string id) => $"{folder}/{id}.json";

    /// <summary>Puts it on disk, whole or not at all.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string temporary = $"{folder}/{Id}.tmp";
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(this, _json));
        File.Move(temporary, PathOf(folder, Id), overwrite: true);
    }

    /// <summary>Reads a state; null where it went away meanwhile.</summary>
    public static LabState? Load(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<LabState>(File.ReadAllBytes(path), _json) ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (JsonException e)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{path} is no lab state ({e.Message}); remove it, and the namespaces named after it.", e);
        }
    }
}
