using System.Net.Sockets;
using PcpuIpsec.Client;
using PcpuIpsec.Host.Daemon;

namespace PcpuIpsec.Tests.Daemon;

/// <summary>What is in the folder, and at the socket's path, beside what the daemon wrote.</summary>
public sealed class DaemonFolderTests
{
    [Fact]
    public async Task A_key_that_came_with_another_tunnel_is_refused()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        TunnelDefinition clone = DaemonHarness.Definition("clone") with { PreSharedKey = null, PreSharedKeyFile = Path.Combine(daemon.TunnelsFolder, "lab.key"), RemoteSelectors = ["10.3.0.0/24"] };

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(clone));

        Assert.Contains("is the key of 'lab' and goes with it", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_another_declaration_names_stays_with_it()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        string key = Path.Combine(daemon.TunnelsFolder, "lab.key");
        TunnelDefinition clone = daemon.Declare(DaemonHarness.Definition("clone") with { RemoteSelectors = ["10.3.0.0/24"] });
        string file = Path.Combine(daemon.TunnelsFolder, "clone.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(clone.PreSharedKeyFile!, key, StringComparison.Ordinal));
        await daemon.Client.ReloadAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.UpdateTunnelAsync(DaemonHarness.Definition(key: "another key")));
        await daemon.Client.DeleteTunnelAsync("lab");

        Assert.Contains("is that of 'clone', too", refused.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(key));
        await daemon.RestartAsync();
        Assert.Equal("clone", Assert.Single(await daemon.Client.GetTunnelsAsync()).Name);
        await daemon.Client.DeleteTunnelAsync("clone");
    }

    [Fact]
    public async Task A_key_that_is_used_no_more_is_deleted()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition();
        await daemon.Client.CreateTunnelAsync(definition);

        await daemon.Client.UpdateTunnelAsync(definition with { PreSharedKey = null, PreSharedKeyFile = daemon.WritePrivate("other.secret", "another key") });

        Assert.False(File.Exists(Path.Combine(daemon.TunnelsFolder, "lab.key")));
    }

    [Fact]
    public async Task What_is_no_file_is_named_and_not_waited_for()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        using (var mkfifo = System.Diagnostics.Process.Start("mkfifo", Path.Combine(daemon.TunnelsFolder, "pipe.json")))
            await mkfifo.WaitForExitAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Contains("pipe.json: it is no file", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_declaration_that_others_can_write_is_refused()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        daemon.Declare(DaemonHarness.Definition());
        File.SetUnixFileMode(Path.Combine(daemon.TunnelsFolder, "lab.json"), (UnixFileMode)Convert.ToInt32("666", 8));

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Contains("can be written by others", refused.Message, StringComparison.Ordinal);
        Assert.Empty(daemon.Plane.Held);
    }

    [Fact]
    public async Task A_folder_that_others_can_write_is_refused()
    {
        var refused = await Assert.ThrowsAsync<PcpuIpsecException>(() => DaemonHarness.StartAsync(d => File.SetUnixFileMode(d.TunnelsFolder, (UnixFileMode)Convert.ToInt32("777", 8))));
        Assert.Contains("can be written by others", refused.Message, StringComparison.Ordinal);
    }

    [RootFact]
    public async Task A_declaration_of_somebody_else_is_refused()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        daemon.Declare(DaemonHarness.Definition());
        using (var chown = System.Diagnostics.Process.Start("chown", ["65534", Path.Combine(daemon.TunnelsFolder, "lab.json")]))
            await chown.WaitForExitAsync();

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Contains("belongs to user 65534", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_killed_daemon_had_begun_to_write_is_deleted_and_never_followed()
    {
        string target = "";
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            File.WriteAllText(Path.Combine(d.TunnelsFolder, "old.key.tmp"), "a key");
            target = d.WritePrivate("target", "untouched");
        });
        Assert.Empty(Directory.GetFileSystemEntries(daemon.TunnelsFolder));
        File.CreateSymbolicLink(Path.Combine(daemon.TunnelsFolder, "lab.json.tmp"), target);
        File.WriteAllText(Path.Combine(daemon.TunnelsFolder, "lab.key.tmp"), "");
        File.SetUnixFileMode(Path.Combine(daemon.TunnelsFolder, "lab.key.tmp"), (UnixFileMode)Convert.ToInt32("644", 8));

        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());

        Assert.Equal("untouched", File.ReadAllText(target));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(daemon.TunnelsFolder, "lab.key")));
        Assert.Equal(["lab.json", "lab.key"], Directory.GetFileSystemEntries(daemon.TunnelsFolder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Where_the_declarations_place_is_taken_nothing_is_written()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        Directory.CreateDirectory(Path.Combine(daemon.TunnelsFolder, "lab.json"));
        string key = Path.Combine(daemon.TunnelsFolder, "lab.key");
        File.WriteAllText(key, "somebody's");

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(DaemonHarness.Definition()));

        Assert.Equal("conflict", refused.Error);
        Assert.Equal("somebody's", File.ReadAllText(key));
    }

    [Theory]
    [InlineData("0x0a4d0001")]
    [InlineData("10.77.9")]
    [InlineData("010.077.0.1")]
    public async Task An_address_is_what_it_says(string address)
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(DaemonHarness.Definition() with { RemoteAddress = address }));
        Assert.Contains($"remoteAddress: '{address}' is not allowed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_socket_is_not_replaced()
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("precious.txt", "mine");
        var refused = Assert.Throws<PcpuIpsecException>(() => ListeningSocket.Open(path, group: null));
        Assert.Contains("is there and no socket", refused.Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(path));
    }

    [Fact]
    public void A_socket_is_one_daemons_from_before_it_is_published()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "s.sock");
        using (ListeningSocket first = ListeningSocket.Open(path, group: null))
        {
            Assert.Contains("another daemon listens there", Assert.Throws<PcpuIpsecException>(() => ListeningSocket.Open(path, group: null)).Message, StringComparison.Ordinal);
            first.Publish();
            Assert.Throws<PcpuIpsecException>(() => ListeningSocket.Open(path, group: null));
            Assert.True(File.Exists(path));
        }
        Assert.False(File.Exists(path));
        ListeningSocket.Open(path, group: null).Dispose();
    }

    [Fact]
    public void What_a_killed_daemon_left_there_is_replaced()
    {
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "s.sock");
        using (var killed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            killed.Bind(new UnixDomainSocketEndPoint(path));
            killed.Listen();
            // .NET takes it away with the socket; a kill does not.
            File.Move(path, path + ".aside");
        }
        File.Move(path + ".aside", path);
        using ListeningSocket next = ListeningSocket.Open(path, group: null);
        next.Publish();
    }

    [Fact]
    public void Memory_of_requests_is_zeroed_when_it_is_given_back()
    {
        using var pool = new ZeroedMemoryPool();
        byte[] block;
        using (var owner = pool.Rent())
        {
            owner.Memory.Span.Fill(0x5a);
            Assert.True(System.Runtime.InteropServices.MemoryMarshal.TryGetArray<byte>(owner.Memory, out var segment));
            block = segment.Array!;
        }
        Assert.All(block, b => Assert.Equal(0, b));
    }

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("pcpu-socket-").FullName;

        public string Write(string name, string text)
        {
            string path = System.IO.Path.Combine(Path, name);
            File.WriteAllText(path, text);
            return path;
        }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
