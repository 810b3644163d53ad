using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tuning;

/// <summary>What a setting was before it was changed.</summary>
/// <param name="Key">The setting.</param>
/// <param name="Before">Its value before.</param>
/// <param name="After">What it was to be.</param>
internal sealed record JournalEntry(string Key, string Before, string After);

/// <summary>
/// What was changed on the host, on disk before it is changed, oldest first: a line each, of JSON, after a line that says in
/// which boot. A setting is noted once, with the value that it had first. In a folder of its own, which is locked while it is open, so
/// that one session tunes at a time, and goes with it.
/// </summary>
internal sealed class TuningJournal : IDisposable
{
    private readonly string _path;
    private readonly string _boot;
    private readonly SafeFileHandle _lock;
    private readonly Dictionary<string, JournalEntry> _byKey = new(StringComparer.Ordinal);
    private readonly List<JournalEntry> _entries = [];

    private TuningJournal(string path, string boot, SafeFileHandle @lock) => (_path, _boot, _lock) = (path, boot, @lock);

    /// <summary>Oldest first.</summary>
    public IReadOnlyList<JournalEntry> Entries => _entries;

    /// <summary>It is of an earlier boot, which undid all that a host forgets.</summary>
    public bool IsOfEarlierBoot { get; private set; }

    /// <param name="path">Its file, which need not be there.</param>
    /// <param name="boot">Identifies this boot (/proc/sys/kernel/random/boot_id).</param>
    /// <exception cref="PcpuIpsecException">Another session has it open, or it cannot be read.</exception>
    public static TuningJournal Open(string path, string boot)
    {
        SafeFileHandle locked;
        try
        {
            locked = Lock(Path.GetDirectoryName(path)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e);
        }
        try
        {
            var journal = new TuningJournal(path, boot, locked);
            journal.Load();
            return journal;
        }
        catch (Exception e)
        {
            locked.Dispose();
            if (e is IOException or UnauthorizedAccessException or JsonException)
                throw Unusable(path, e);
            throw;
        }
    }

    /// <summary>Notes what a setting is before it is changed. On disk when this returns.</summary>
    public void Add(string key, string before, string after)
    {
        if (_byKey.ContainsKey(key))
            return;
        var entry = new JournalEntry(key, before, after);
        try
        {
            bool isNew = !File.Exists(_path);
            using (FileStream file = OpenForAppend(_path))
            {
                if (isNew)
                    WriteLine(file, new Header(_boot), TuningJson.Default.Header);
                WriteLine(file, entry, TuningJson.Default.JournalEntry);
                file.Flush(flushToDisk: true);
            }
            if (isNew)
                SyncFolder();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(_path, e);
        }
        _byKey.Add(key, entry);
        _entries.Add(entry);
    }

    /// <summary>Forgets what was put back.</summary>
    public void Keep(IReadOnlyList<JournalEntry> entries)
    {
        try
        {
            if (entries.Count == 0)
            {
                File.Delete(_path);
            }
            else
            {
                string next = _path + ".new";
                File.Delete(next);
                using (FileStream file = OpenForAppend(next))
                {
                    WriteLine(file, new Header(_boot), TuningJson.Default.Header);
                    foreach (JournalEntry entry in entries)
                        WriteLine(file, entry, TuningJson.Default.JournalEntry);
                    file.Flush(flushToDisk: true);
                }
                File.Move(next, _path, overwrite: true);
            }
            SyncFolder();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(_path, e);
        }
        _entries.Clear();
        _byKey.Clear();
        foreach (JournalEntry entry in entries)
        {
            _entries.Add(entry);
            _byKey.Add(entry.Key, entry);
        }
        IsOfEarlierBoot = false;
    }

    public void Dispose()
    {
        try
        {
            if (!File.Exists(_path))
                Directory.Delete(Path.GetDirectoryName(_path)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Something else is in it: it stays.
        }
        _lock.Dispose();
    }

    private void Load()
    {
        if (!File.Exists(_path))
            return;
        string text = File.ReadAllText(_path);
        // A line without its end was being written when the process was killed: before the change that it is of.
        string[] lines = text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (lines.Length == 0)
        {
            File.Delete(_path);
            return;
        }
        IsOfEarlierBoot = JsonSerializer.Deserialize(lines[0], TuningJson.Default.Header)!.Boot != _boot;
        foreach (string line in lines.Skip(1))
        {
            JournalEntry entry = JsonSerializer.Deserialize(line, TuningJson.Default.JournalEntry)!;
            _byKey.Add(entry.Key, entry);
            _entries.Add(entry);
        }
        if (!text.EndsWith('\n'))
            Keep([.. _entries]);
    }

    private static FileStream OpenForAppend(string path)
        => new(path, new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite, BufferSize = 4096 });

    private static void WriteLine<T>(FileStream file, T value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        file.Write(JsonSerializer.SerializeToUtf8Bytes(value, type));
        file.WriteByte((byte)'\n');
    }

    /// <summary>That a file is there, or is not, is the folder's to keep.</summary>
    private void SyncFolder()
    {
        int folder = Libc.Check(Libc.Open(Path.GetDirectoryName(_path)!, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), "open the journal's folder");
        using var opened = new SafeFileHandle(folder, ownsHandle: true);
        Libc.Check(Libc.FSync(folder), "fsync the journal's folder");
    }

    private static SafeFileHandle Lock(string folder)
    {
        while (true)
        {
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            int opened = Libc.Open(folder, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            // Whoever had it before us took it away.
            if (opened < 0 && Libc.Errno == Libc.ENOENT)
                continue;
            var file = new SafeFileHandle(Libc.Check(opened, $"open {folder}"), ownsHandle: true);
            if (Libc.FLock(opened, Libc.LOCK_EX | Libc.LOCK_NB) != 0)
            {
                int errno = Libc.Errno;
                file.Dispose();
                throw errno == Libc.EAGAIN
                    ? new PcpuIpsecException(PcpuIpsecError.Aborted, "Another session tunes this host just now; wait until it has ended.")
                    : Libc.Failure($"lock {folder}", errno);
            }
            // The kernel's name of one that is gone ends so.
            if (File.ResolveLinkTarget($"/proc/self/fd/{opened}", returnFinalTarget: false)?.FullName.EndsWith(" (deleted)", StringComparison.Ordinal) != true)
                return file;
            file.Dispose();
        }
    }

    private static PcpuIpsecException Unusable(string path, Exception e)
        => new(PcpuIpsecError.HostUnable, $"The journal {path} of what was changed on this host cannot be used, and without it nothing is changed: {e.Message}", e);

    /// <summary>The first line.</summary>
    internal sealed record Header(string Boot);
}
