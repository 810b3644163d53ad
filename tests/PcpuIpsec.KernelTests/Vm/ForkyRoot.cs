using System.Runtime.InteropServices;
using System.Security.Cryptography;
using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Vm;

/// <summary>
/// A Debian forky system: a kernel with ESP and per-CPU SAs, strongSwan 6.1, libreswan and iproute2. It is made once, by
/// make-root.sh, and kept outside the tree under a name that is a hash of what it is made from. What has that name is whole:
/// it is made beside and renamed, by one builder at a time.
/// </summary>
internal sealed class ForkyRoot
{
    private const long NeededBytes = 5L << 30;
    private static readonly TimeSpan _limit = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan _unusedLimit = TimeSpan.FromDays(14);

    private ForkyRoot(string folder) => Folder = folder;

    /// <summary>What holds all of the below.</summary>
    public string Folder { get; }

    /// <summary>The unpacked system, for chroots. It is shared: writing to it, mounting on it, is for a mount namespace of one's own.</summary>
    public string Tree => Path.Combine(Folder, "tree");

    public string Kernel => Path.Combine(Folder, "vmlinuz");

    public string Initrd => Path.Combine(Folder, "initrd");

    /// <summary>The system as ext4; booted as a snapshot, never written.</summary>
    public string Image => Path.Combine(Folder, "root.img");

    /// <summary>The kernel's release, such as 7.2.12+deb14-amd64.</summary>
    public string KernelRelease => Path.GetFileName(Directory.EnumerateFiles(Path.Combine(Tree, "boot"), "vmlinuz-*").First())["vmlinuz-".Length..];

    /// <summary>Where all systems and what was learnt about the host are kept.</summary>
    public static string Cache { get; } = Path.Combine(CacheHome(), "pcpu-ipsec");

    /// <summary>The system, made where it is not there yet.</summary>
    /// <param name="say">Told what takes long.</param>
    /// <param name="cancellationToken">Ends the making and leaves nothing.</param>
    /// <exception cref="PcpuIpsecException">It could not be made; the message says why and names the log.</exception>
    public static async Task<ForkyRoot> EnsureAsync(Action<string> say, CancellationToken cancellationToken)
    {
        var root = new ForkyRoot(Path.Combine(Cache, Key()));
        if (!root.Exists())
        {
            Directory.CreateDirectory(Cache);
            await using FileStream turn = await LockAsync(say, cancellationToken);
            if (!root.Exists())
            {
                await RemoveAbandonedAsync();
                await root.MakeAsync(say, cancellationToken);
            }
        }
        File.SetLastWriteTimeUtc(root.Kernel, DateTime.UtcNow);
        return root;
    }

    private bool Exists() => File.Exists(Image);

    private async Task MakeAsync(Action<string> say, CancellationToken cancellationToken)
    {
        if (Environment.UserName != "root")
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "Making the VM's root file system needs root.");
        if (RuntimeInformation.OSArchitecture != Architecture.X64)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"The VM is an x86-64 one, and its system is made by running its programs: this host is {RuntimeInformation.OSArchitecture}.");
        long free = new DriveInfo(Cache).AvailableFreeSpace;
        if (free < NeededBytes)
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Making the VM's root file system needs {NeededBytes >> 30} GB free in {Cache}: there are {free / (double)(1L << 30):F1}.");

        say($"Making the VM's root file system, once, in {Folder}: a few minutes");
        string draft = Path.Combine(Cache, "new-" + Path.GetFileName(Folder));
        string log = Path.Combine(Cache, "make-root.log");
        Directory.CreateDirectory(draft);
        try
        {
            await using (var writer = new StreamWriter(log) { AutoFlush = true })
            {
                void Log(string line)
                {
                    lock (writer)
                        writer.WriteLine(line);
                }

                var command = new LabCommand("bash", Path.Combine(AppContext.BaseDirectory, "Vm", "make-root.sh"), draft) { OnOutputLine = Log, OnErrorLine = Log };
                CommandResult result = await HostProcess.RunAsync(command, _limit, cancellationToken);
                if (result.ExitCode != 0)
                {
                    string end = string.Join('\n', (result.Error.Trim() + "\n" + result.Output.Trim()).Split('\n').TakeLast(12));
                    throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"Making the VM's root file system failed; it needs a Debian mirror with forky. All of it is in {log}; its last words:\n{end}");
                }
            }
            Directory.Move(draft, Folder);
        }
        finally
        {
            if (Directory.Exists(draft))
                await RemoveAsync(draft);
        }
    }

    /// <summary>What it is made from.</summary>
    private static string Key()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in (ReadOnlySpan<string>)["make-root.sh", "add-libreswan.sh", "boot.sh"])
            hash.AppendData(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Vm", file)));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private static async Task<FileStream> LockAsync(Action<string> say, CancellationToken cancellationToken)
    {
        bool said = false;
        while (true)
        {
            try
            {
                // FileShare.None is flock(2) here: it ends with the process.
                return new FileStream(Path.Combine(Cache, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(Path.Combine(Cache, "lock")))
            {
                if (!said)
                    say("Another run makes the VM's root file system: waiting for it");
                said = true;
                await Task.Delay(500, cancellationToken);
            }
        }
    }

    /// <summary>Removes what killed builders left, and systems that nobody has used for long. Called with the lock.</summary>
    private static async Task RemoveAbandonedAsync()
    {
        foreach (string folder in Directory.EnumerateDirectories(Cache))
        {
            string kernel = Path.Combine(folder, "vmlinuz");
            if (Path.GetFileName(folder).StartsWith("new-", StringComparison.Ordinal) || !File.Exists(kernel) || DateTime.UtcNow - File.GetLastWriteTimeUtc(kernel) > _unusedLimit)
                await RemoveAsync(folder);
        }
    }

    private static async Task RemoveAsync(string folder)
        => (await HostProcess.RunAsync(new LabCommand("rm", "-rf", "--one-file-system", "--", folder), TimeSpan.FromMinutes(2), CancellationToken.None)).EnsureSuccess();

    private static string CacheHome()
    {
        if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } home)
            return home;
        return Environment.UserName == "root" ? "/var/cache" : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
    }
}
