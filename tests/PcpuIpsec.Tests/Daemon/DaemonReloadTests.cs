using PcpuIpsec.Client;

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

        Assert.Contains("two.json: ReplayWindow: '1'", e.Message);
        Assert.Contains("three.json: RemoteAddress: '::1'", e.Message);
        Assert.Null(Assert.Single(await daemon.Client.GetTunnelsAsync()).Definition.ReplayWindow);
    }

    [Theory]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"topsecret"}""", "preSharedKey is taken in requests alone")]
    [InlineData("""{"name":"other","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyFile":"/x"}""", "name = 'other': allowed is the file's own, 'bad'")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyFile":"/x"}""", "'/x' cannot be read")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyCredential":"../x"}""", "preSharedKeyCredential: '../x' is no name")]
    [InlineData("""{"name":"bad","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyCredential":"x"}""", "systemd gave this process no credentials")]
    [InlineData("{", "a fault of syntax")]
    public async Task A_daemon_does_not_start_with_a_wrong_declaration(string json, string told)
    {
        var e = await Assert.ThrowsAsync<PcpuIpsecException>(() => DaemonHarness.StartAsync(d => File.WriteAllText(Path.Combine(d.TunnelsFolder, "bad.json"), json)));

        Assert.Contains("bad.json: ", e.Message);
        Assert.Contains(told, e.Message);
        Assert.DoesNotContain("topsecret", e.Message);
    }
}
