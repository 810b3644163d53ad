using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Client;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Host.Daemon;

/// <summary>
/// The folder of declared tunnels: one file a tunnel, <c>NAME.json</c>, and <c>NAME.key</c> for a key that came in a request.
/// Files appear whole or not at all.
/// </summary>
internal sealed class TunnelFolder
{
    private const string Extension = ".json", KeyExtension = ".key", TemporaryExtension = ".tmp";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <param name="path">Where it is.</param>
    /// <param name="make">Make it where it is not there.</param>
    public TunnelFolder(string path, bool make = false)
    {
        Path = System.IO.Path.GetFullPath(path);
        if (Directory.Exists(Path))
        {
            CheckOthersCannotWrite($"--tunnels = '{path}'", Path);
            return;
        }
        if (!make)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{path}' is not there; allowed is a folder that is");
        try
        {
            Directory.CreateDirectory(Path, OwnerOnly | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{path}' cannot be made: {e.Message}", e);
        }
    }

    public string Path { get; }

    public string KeyFileOf(string name) => System.IO.Path.Combine(Path, name + KeyExtension);

    /// <summary>
    /// Keeps others from the folder until disposed or the process ends, however: two daemons would write over each other, and a
    /// release would open what a daemon holds.
    /// </summary>
    public IDisposable Lock()
    {
        var opened = new SafeFileHandle(Libc.Check(Libc.Open(Path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), $"open {Path}"), ownsHandle: true);
        if (Libc.FLock((int)opened.DangerousGetHandle(), Libc.LOCK_EX | Libc.LOCK_NB) == 0)
            return opened;
        int errno = Libc.Errno;
        opened.Dispose();
        throw errno == Libc.EAGAIN
            ? new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"--tunnels = '{Path}': a daemon works with this folder; stop it, have it delete the tunnel, or name another folder.")
            : Libc.Failure($"lock {Path}", errno);
    }

    /// <summary>All declarations, by name.</summary>
    /// <exception cref="PcpuIpsecException">At least one is wrong; the message has them all.</exception>
    public IReadOnlyList<TunnelDefinition> Read()
    {
        List<TunnelDefinition> definitions = [];
        List<string> faults = [];
        foreach (string file in Files())
        {
            try
            {
                definitions.Add(Read(file));
            }
            catch (PcpuIpsecException e)
            {
                faults.Add($"{file}: {e.Message}");
            }
        }
        return faults.Count == 0 ? definitions : throw Wrong(faults);
    }

    /// <summary>What is neither a declaration nor a key, and nobody reads.</summary>
    public IReadOnlyList<string> Ignored()
        => [.. Entries(skip: 0, "*").Select(e => System.IO.Path.GetFileName(e)!).Except(Files().Select(f => System.IO.Path.GetFileName(f)!)).Where(n => !n.EndsWith(KeyExtension, StringComparison.Ordinal))];

    /// <summary>Names that tunnels of this folder may have had: of keys, copies and whatever else is there.</summary>
    public IEnumerable<string> FormerNames()
    {
        foreach (string entry in Entries(skip: 0, "*"))
        {
            string name = System.IO.Path.GetFileName(entry);
            for (int dot = name.LastIndexOf('.'); dot > 0; dot = name.LastIndexOf('.'))
                yield return name = name[..dot];
        }
    }

    public static PcpuIpsecException Wrong(IReadOnlyList<string> faults)
        => new(PcpuIpsecError.InvalidOption, $"{faults.Count} of the declared tunnels {(faults.Count == 1 ? "is" : "are")} wrong, so none is taken: {string.Join("; ", faults)}");

    public string FileOf(string name) => System.IO.Path.Combine(Path, name + Extension);

    /// <summary>Writes a declaration beside its place, and the key where one is given.</summary>
    public StagedDeclaration Stage(TunnelDefinition definition, PreSharedKey? key)
    {
        List<(string, string)> staged = [];
        try
        {
            if (key is not null)
                staged.Add(Write(KeyFileOf(definition.Name), key.Span));
            staged.Add(Write(FileOf(definition.Name), JsonSerializer.SerializeToUtf8Bytes(definition, WireJson.Indented.TunnelDefinition)));
            return new StagedDeclaration(staged);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            new StagedDeclaration(staged).Dispose();
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The declaration of '{definition.Name}' cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Deletes what a killed daemon had not put in its place, keys among it.</summary>
    public void DeleteUncommitted()
    {
        foreach (string extension in (string[])[KeyExtension, Extension])
        {
            foreach (string file in Entries(FileAttributes.Directory, "*" + extension + TemporaryExtension))
                File.Delete(file);
        }
    }

    /// <summary>Forgets a tunnel.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="withKey">Not where another tunnel is declared with its key.</param>
    public void Delete(string name, bool withKey)
    {
        try
        {
            File.Delete(FileOf(name));
            if (withKey)
                DeleteKey(name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Tunnel '{name}' is removed, but comes back when the folder is read anew, since its declaration cannot be deleted: {e.Message}", e);
        }
    }

    /// <summary>Forgets a key that came in a request, where there is one.</summary>
    public void DeleteKey(string name) => File.Delete(KeyFileOf(name));

    /// <summary>The tunnel whose key a path is, where it is one of this folder's; else null.</summary>
    public string? OwnerOfKey(string path)
        => System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) == Path && path.EndsWith(KeyExtension, StringComparison.Ordinal) ? System.IO.Path.GetFileNameWithoutExtension(path) : null;

    /// <summary>Forgets all tunnels, and that there was a folder.</summary>
    public void Remove()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"All traffic is released, but the folder of declared tunnels cannot be removed: {e.Message}", e);
        }
    }

    private static (string Temporary, string Final) Write(string path, ReadOnlySpan<byte> content)
    {
        string temporary = path + TemporaryExtension;
        // Made by us and nobody else, with our mode.
        File.Delete(temporary);
        try
        {
            using var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly, BufferSize = 0 });
            file.Write(content);
            file.Flush(flushToDisk: true);
            return (temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>Whoever may write what is declared sends the traffic where he likes.</summary>
    private static void CheckOthersCannotWrite(string what, string path)
    {
        using var opened = new SafeFileHandle(Libc.Check(Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NONBLOCK, 0), $"open {path}"), ownsHandle: true);
        CheckOthersCannotWrite(what, opened);
    }

    private static void CheckOthersCannotWrite(string what, SafeFileHandle opened)
    {
        uint owner = Libc.OwnerOf(opened);
        if (owner != 0 && owner != Libc.GetEffectiveUser())
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{what} belongs to user {owner}, who could declare tunnels of his own; allowed is root");
        if ((File.GetUnixFileMode(opened) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"{what} can be written by others than its owner, who could declare tunnels of their own; allowed is mode 0755 or less");
    }

    private string[] Files() => Entries(FileAttributes.Directory, "*" + Extension);

    /// <summary>A folder that cannot be read is an error, and not one without tunnels: those that are there would be removed.</summary>
    private string[] Entries(FileAttributes skip, string pattern)
    {
        var options = new EnumerationOptions { AttributesToSkip = skip, IgnoreInaccessible = false };
        try
        {
            return [.. Directory.EnumerateFileSystemEntries(Path, pattern, options).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The folder of declared tunnels cannot be read: {e.Message}", e);
        }
    }

    private static TunnelDefinition Read(string file)
    {
        TunnelDefinition definition = WireReader.Read(ReadBytes(file), WireJson.Default.TunnelDefinition);
        if (definition.PreSharedKey is { } key)
        {
            key.Dispose();
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "preSharedKey is taken in requests alone; allowed in a file: preSharedKeyFile or preSharedKeyCredential");
        }
        return definition.Name == System.IO.Path.GetFileNameWithoutExtension(file)
            ? definition
            : throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"name = '{definition.Name}': allowed is the file's own, '{System.IO.Path.GetFileNameWithoutExtension(file)}'");
    }

    private static byte[] ReadBytes(string path)
    {
        try
        {
            // What was opened is what is checked and read; a pipe must not have us wait for its writer.
            int opened = Libc.Open(path, Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NONBLOCK, 0);
            using SafeFileHandle file = opened >= 0 ? new SafeFileHandle(opened, ownsHandle: true) : throw new IOException(Libc.Describe(Libc.Errno));
            if (!Libc.IsRegularFile(file))
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, "it is no file; allowed is one, or a link to one");
            CheckOthersCannotWrite("it", file);
            long length = RandomAccess.GetLength(file);
            if (length > RequestBody.LengthAtMost)
                throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"it has {length} bytes; allowed are {RequestBody.LengthAtMost}");
            byte[] content = new byte[length];
            return content[..RandomAccess.Read(file, content, 0)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"it cannot be read ({e.Message})", e);
        }
    }
}

/// <summary>Files that are written and not yet in their place.</summary>
internal sealed class StagedDeclaration(IReadOnlyList<(string Temporary, string Final)> files) : IDisposable
{
    public void Commit()
    {
        try
        {
            foreach ((string temporary, string final) in files)
                File.Move(temporary, final, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The declaration cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Deletes what was committed, and nothing else: a key that the declaration only names is not ours.</summary>
    public void TakeBack()
    {
        try
        {
            foreach ((_, string final) in files.Reverse())
                File.Delete(final);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The tunnel was not added, but is when the folder is read anew, since its declaration cannot be deleted: {e.Message}", e);
        }
    }

    /// <summary>Deletes what was not committed.</summary>
    public void Dispose()
    {
        foreach ((string temporary, _) in files)
            File.Delete(temporary);
    }
}
