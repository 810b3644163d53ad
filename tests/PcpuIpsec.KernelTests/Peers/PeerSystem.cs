using PcpuIpsec.Lab;

namespace PcpuIpsec.KernelTests.Peers;

/// <summary>
/// The system that a peer's programs come from: the one we run in (the VM's own), or another one's tree, entered by chroot in
/// a mount namespace that ends with the program. One folder is seen from both sides: what we write there, the program reads.
/// </summary>
/// <param name="tree">The other system's tree, which stays as it is; null: our own.</param>
/// <param name="folder">The shared folder, as we see it.</param>
internal sealed class PeerSystem(string? tree, string folder)
{
    // The tree itself is read-only here, so two peers may share it.
    private const string EnterScript = """
        mount --bind -o ro "$1" "$1"
        cd "$1"
        mount --bind /proc proc
        mount --rbind /sys sys
        mount --rbind /dev dev
        mount -t tmpfs -o mode=755 run run
        mount -t tmpfs tmp tmp
        mkdir run/peer
        mount --bind "$2" run/peer
        shift 2
        exec chroot . "$@"
        """;

    private const string FolderInside = "/run/peer";

    /// <summary>The shared folder, as we see it.</summary>
    public string Folder => folder;

    /// <summary>A file of the shared folder, as we see it.</summary>
    public string Outside(string file) => Path.Combine(folder, file);

    /// <summary>The same file, as the peer's programs see it.</summary>
    public string Inside(string file) => tree is null ? Path.Combine(folder, file) : $"{FolderInside}/{file}";

    /// <summary>A program of that system.</summary>
    /// <param name="program">Its path there.</param>
    /// <param name="arguments">With paths as seen from there.</param>
    public LabCommand Command(string program, params IReadOnlyList<string> arguments)
        => tree is null
            ? new LabCommand(program, arguments)
            : new LabCommand("unshare", ["--mount", "--propagation", "private", "--", "/bin/sh", "-ec", EnterScript, "sh", tree, folder, program, .. arguments]);
}
