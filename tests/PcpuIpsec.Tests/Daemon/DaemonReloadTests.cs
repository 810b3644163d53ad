using System.Text.RegularExpressions;
using PcpuIpsec.Client;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host.Daemon;
using NamelessHold = PcpuIpsec.Gateway.NamelessHold;

namespace PcpuIpsec.Tests.Daemon;

public sealed class DaemonReloadTests
{
    [Fact]
    public async Task The_folder_is_read_at_start_and_anew_when_asked()
    {
        TunnelDefinition one = DaemonHarness.Definition("one"), two = DaemonHarness.Definition("two");
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            d.Declare(one);
            d.Declare(two);
        });
        Assert.Equal(["one", "two"], (await daemon.Client.GetTunnelsAsync()).Select(t => t.Name).Order());

        daemon.Declare(two with { ReplayWindow = 256 });
        daemon.Declare(DaemonHarness.Definition("three"));
        File.Delete(Path.Combine(daemon.TunnelsFolder, "one.json"));
        ReloadResult result = await daemon.Client.ReloadAsync();

        Assert.Equal(["three"], result.Added);
        Assert.Equal(["two"], result.Updated);
        Assert.Equal(["one"], result.Removed);
        Assert.Equal(["three", "two"], daemon.Plane.Held.Keys.Order());
        Assert.Equal(["three", "two"], (await daemon.Client.ReloadAsync()).Unchanged);
    }

    [Fact]
    public async Task Another_key_in_the_same_file_is_a_change()
    {
        TunnelDefinition one = DaemonHarness.Definition("one");
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d => d.Declare(one));

        daemon.Declare(one, "another key of enough length");

        Assert.Equal(["one"], (await daemon.Client.ReloadAsync()).Updated);
    }

    [Fact]
    public async Task Nothing_is_changed_where_one_declaration_is_wrong_and_all_that_are_wrong_are_told()
    {
        TunnelDefinition one = DaemonHarness.Definition("one");
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d => d.Declare(one));

        daemon.Declare(one with { ReplayWindow = 256 });
        daemon.Declare(DaemonHarness.Definition("two") with { ReplayWindow = 1 });
        daemon.Declare(DaemonHarness.Definition("three") with { RemoteAddress = "::1" });
        var e = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Contains("two.json: replayWindow: '1'", e.Message);
        Assert.Contains("three.json: remoteAddress: '::1'", e.Message);
        Assert.Null(Assert.Single(await daemon.Client.GetTunnelsAsync()).Definition.ReplayWindow);
    }

    [Fact]
    public async Task Where_one_tunnel_cannot_be_applied_what_was_applied_before_it_is_put_back()
    {
        TunnelDefinition gone = DaemonHarness.Definition("gone"), renamed = DaemonHarness.Definition("renamed") with { RemoteSelectors = ["10.7.0.0/24"] };
        TunnelDefinition changed = DaemonHarness.Definition("changed") with { RemoteSelectors = ["10.8.0.0/24"] };
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            d.Declare(gone);
            d.Declare(renamed);
            d.Declare(changed);
        });
        string before = await daemon.Http.GetStringAsync("v1/tunnels");
        daemon.Plane.RefuseHold = p => p.Connection == "z-refused" ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "no room") : null;
        File.Delete(Path.Combine(daemon.TunnelsFolder, "gone.json"));
        File.Delete(Path.Combine(daemon.TunnelsFolder, "renamed.json"));
        daemon.Declare(renamed with { Name = "another-name" });
        daemon.Declare(changed with { ReplayWindow = 256 }, "another key of enough length");
        daemon.Declare(DaemonHarness.Definition("z-refused") with { RemoteSelectors = ["10.9.0.0/24"] });

        var e = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Equal(("host-unable", "Of the declared tunnels, tunnel 'z-refused' could not be added: no room — all is as it was before."), (e.Error, e.Message));
        Assert.Equal(before, await daemon.Http.GetStringAsync("v1/tunnels"));
        Assert.Equal(["changed", "gone", "renamed"], daemon.Plane.Held.Keys.Order());
        // What nobody takes over is let go last, and so never was.
        Assert.DoesNotContain("release gone", daemon.Plane.Calls);
        Assert.Contains("release renamed", daemon.Plane.Calls);

        daemon.Plane.RefuseHold = _ => null;
        ReloadResult result = await daemon.Client.ReloadAsync();
        Assert.Equal(["another-name", "z-refused"], result.Added);
        Assert.Equal(["changed"], result.Updated);
        Assert.Equal(["gone", "renamed"], result.Removed);
    }

    [Fact]
    public async Task What_cannot_be_put_back_is_told_as_it_is()
    {
        TunnelDefinition renamed = DaemonHarness.Definition("renamed"), changed = DaemonHarness.Definition("changed") with { RemoteSelectors = ["10.8.0.0/24"] };
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            d.Declare(renamed);
            d.Declare(changed);
        });
        daemon.Plane.RefuseHold = p => p.Connection != "changed" || daemon.Plane.Calls.Count(c => c == "hold changed") > 2 ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "no room") : null;
        File.Delete(Path.Combine(daemon.TunnelsFolder, "renamed.json"));
        daemon.Declare(renamed with { Name = "another-name" });
        daemon.Declare(changed with { ReplayWindow = 256 });

        var e = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.ReloadAsync());

        Assert.Equal(
            "Of the declared tunnels, tunnel 'another-name' could not be added: no room — what was done before it could not all be put back: "
            + "'changed' is as its file says now (no room); 'renamed' is removed and its traffic not protected (no room).",
            e.Message);
        Tunnel left = Assert.Single(await daemon.Client.GetTunnelsAsync());
        Assert.Equal(("changed", 256), (left.Name, left.Definition.ReplayWindow));
        daemon.Plane.RefuseHold = _ => null;
        Assert.Equal(["another-name"], (await daemon.Client.ReloadAsync()).Added);
    }

    [Fact]
    public async Task A_folder_is_one_daemons_at_a_time()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        var folder = new TunnelFolder(daemon.TunnelsFolder);

        Assert.Contains("a daemon works with this folder", Assert.Throws<PcpuIpsecException>(folder.Lock).Message);

        await daemon.RestartAsync();
        Assert.Throws<PcpuIpsecException>(folder.Lock);
    }

    [Fact]
    public async Task A_folder_that_is_named_and_not_there_is_refused_and_not_made()
    {
        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => DaemonHarness.StartAsync(d => Directory.Delete(d.TunnelsFolder)));

        Assert.Matches("^--tunnels = '.*/tunnels.d' is not there; allowed is a folder that is$", e.Message);
    }

    [Fact]
    public void A_folder_of_ones_own_is_made_for_its_owner_alone()
    {
        string parent = Directory.CreateTempSubdirectory("pcpu-daemon-").FullName;
        try
        {
            var folder = new TunnelFolder(Path.Combine(parent, "tunnels.d"), make: true);

            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(folder.Path));
            Assert.Empty(folder.Read());
        }
        finally
        {
            Directory.Delete(parent, recursive: true);
        }
    }

    [Fact]
    public async Task What_is_no_declaration_is_named_once_in_the_log()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            d.Declare(DaemonHarness.Definition("one"));
            File.WriteAllText(Path.Combine(d.TunnelsFolder, "one.key"), "");
            File.WriteAllText(Path.Combine(d.TunnelsFolder, "two.jsn"), "");
            Directory.CreateDirectory(Path.Combine(d.TunnelsFolder, "old.json"));
        });
        Assert.Equal([$"{daemon.TunnelsFolder}: ignored are old.json, two.jsn; tunnels are declared in files NAME.json there"], Ignored());

        File.WriteAllText(Path.Combine(daemon.TunnelsFolder, "three.conf"), "");
        await daemon.Client.ReloadAsync();
        await daemon.Client.ReloadAsync();

        Assert.Equal($"{daemon.TunnelsFolder}: ignored are three.conf; tunnels are declared in files NAME.json there", Assert.Single(Ignored().Skip(1)));

        IEnumerable<string> Ignored() => daemon.Log.Messages.Where(m => m.Contains("ignored are", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_held_and_not_declared_is_warned_of_at_the_start_by_name_where_the_folder_has_it_still()
    {
        IEnumerable<string> asked = [];
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d =>
        {
            d.Declare(DaemonHarness.Definition("one"));
            File.WriteAllText(Path.Combine(d.TunnelsFolder, "two.json.bak"), "");
            d.FindHolds = names =>
            {
                asked = [.. names];
                return [new NamelessHold(ConnectionHash.Of("two"), ["10.1.0.0/24 to 10.2.0.0/24"]), new NamelessHold(ConnectionHash.Of("three"), [.. Enumerable.Range(0, 6).Select(i => $"10.1.{i}.0/24 to 10.3.0.0/24")])];
            };
        });

        Assert.Equal(["one"], asked);
        Assert.Collection(
            daemon.Log.Messages.Where(m => m.Contains("held here", StringComparison.Ordinal)),
            two => Assert.Equal(
                $"10.1.0.0/24 to 10.2.0.0/24: held here by the tunnel 'two' that {daemon.TunnelsFolder} does not declare: of a program that runs, or left by one that ended. "
                + $"To let it go, declare the tunnel again and delete it, or stop this daemon and run pcpu-ipsec release --tunnels {daemon.TunnelsFolder} --tunnel NAME",
                two),
            three => Assert.StartsWith("10.1.0.0/24 to 10.3.0.0/24, 10.1.1.0/24 to 10.3.0.0/24, 10.1.2.0/24 to 10.3.0.0/24, 10.1.3.0/24 to 10.3.0.0/24 and 2 more: held here by a tunnel that", three, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_declaration_that_cannot_be_deleted_is_told_and_its_tunnel_is_gone()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        File.Delete(Path.Combine(daemon.TunnelsFolder, "lab.json"));
        Directory.CreateDirectory(Path.Combine(daemon.TunnelsFolder, "lab.json", "in the way"));

        var e = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.DeleteTunnelAsync("lab"));

        Assert.Contains("Tunnel 'lab' is removed, but comes back", e.Message);
        Assert.Empty(daemon.Plane.Held);
        Assert.Empty(await daemon.Client.GetTunnelsAsync());
        Directory.Delete(Path.Combine(daemon.TunnelsFolder, "lab.json"), recursive: true);
    }

    [Theory]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"topsecret"}""", "preSharedKey is taken in requests alone")]
    [InlineData("""{"name":"other","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyFile":"/x"}""", "name = 'other': allowed is the file's own, 'bad'")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyFile":"/x"}""", "'/x' cannot be read")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyCredential":"../x"}""", "preSharedKeyCredential: '../x' is no name")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyCredential":"x"}""", "systemd gave this process no credentials")]
    [InlineData("{", "a fault of syntax")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","name":"bad"}""", "a field that is given twice at $.name; allowed is each once")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","perCpu":{"onDemand":true,"onDemand":true}}""", "a field that is given twice at $.perCpu.onDemand")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1"}""", "needed: name, localAddress, remoteAddress")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","mode":"beet"}""", "a value that is not allowed at $.mode; allowed: tunnel, transport")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","startAction":1}""", "at $.startAction; allowed: wait, initiate")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","perCpu":{"cpus":[0,"1"]}}""", "at $.perCpu.cpus[1]; allowed: a whole number")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","perCpu":true}""", "at $.perCpu; allowed: an object")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","esn":"yes"}""", "at $.esn; allowed: true, false")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","mss":true}""", "at $.mss; allowed: a word or a whole number")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","localSelectors":"10.1.0.0/24"}""", "at $.localSelectors; allowed: a list")]
    public async Task A_daemon_does_not_start_with_a_wrong_declaration(string json, string told)
    {
        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => DaemonHarness.StartAsync(d => File.WriteAllText(Path.Combine(d.TunnelsFolder, "bad.json"), json)));

        Assert.Contains("bad.json: ", e.Message);
        Assert.Contains(told, Regex.Replace(e.Message, @" \(line 1, byte \d+\)", ""));
        Assert.DoesNotContain("topsecret", e.Message);
    }
}
