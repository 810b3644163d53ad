using System.Net;
using System.Text;
using System.Text.Json;
using PcpuIpsec.Client;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Host.Daemon;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Tests.Gateway;
using ChildSa = PcpuIpsec.Client.ChildSa;

namespace PcpuIpsec.Tests.Daemon;

public sealed class DaemonApiTests
{
    private const string Key = "aVeryLongAndSecretKeyThatNobodyMaySee";

    [Fact]
    public async Task A_tunnel_is_declared_listed_updated_and_deleted()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition(key: Key);

        TunnelChange created = await daemon.Client.CreateTunnelAsync(definition);
        Assert.True(created.Changed);
        Assert.Equal((TunnelState.Down, "10.2.0.0/24"), (created.Tunnel!.State, Assert.Single(created.Tunnel.Definition.RemoteSelectors!)));
        Assert.Contains("lab", daemon.Plane.Held.Keys);
        Assert.Equal("lab", Assert.Single(await daemon.Client.GetTunnelsAsync()).Name);

        Assert.False((await daemon.Client.CreateTunnelAsync(definition)).Changed);
        var conflict = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(definition with { ReplayWindow = 128 }));
        Assert.Equal("conflict", conflict.Error);

        TunnelChange updated = await daemon.Client.UpdateTunnelAsync(definition with { ReplayWindow = 128, PreSharedKey = null });
        Assert.Equal((true, 128), (updated.Changed, updated.Tunnel!.Definition.ReplayWindow));
        Assert.False((await daemon.Client.UpdateTunnelAsync(definition with { ReplayWindow = 128, PreSharedKey = null })).Changed);

        Assert.True((await daemon.Client.DeleteTunnelAsync("lab")).Changed);
        Assert.Empty(await daemon.Client.GetTunnelsAsync());
        Assert.Empty(daemon.Plane.Held);
        Assert.Empty(Directory.GetFiles(daemon.TunnelsFolder));
    }

    [Fact]
    public async Task What_an_update_covers_is_held_before_the_old_tunnel_goes_and_never_released()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition();
        await daemon.Client.CreateTunnelAsync(definition);

        await daemon.Client.UpdateTunnelAsync(definition with { RemoteSelectors = ["10.3.0.0/24"] });

        Assert.Equal("10.3.0.0/24", Assert.Single(daemon.Plane.Held["lab"].RemoteSelectors).ToString());
        Assert.DoesNotContain("release lab", daemon.Plane.Calls);
    }

    [Fact]
    public async Task An_update_that_the_data_plane_refuses_leaves_the_tunnel_as_it_was()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition();
        await daemon.Client.CreateTunnelAsync(definition);
        daemon.Plane.RefuseHold = p => p.RemoteSelectors[0].ToString() == "10.3.0.0/24" ? new PcpuIpsecException(PcpuIpsecError.HostUnable, "no room") : null;

        var refused = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.UpdateTunnelAsync(definition with { RemoteSelectors = ["10.3.0.0/24"] }));

        Assert.Equal(("host-unable", "no room"), (refused.Error, refused.Message));
        Assert.Equal("10.2.0.0/24", Assert.Single(daemon.Plane.Held["lab"].RemoteSelectors).ToString());
        Assert.Equal("10.2.0.0/24", Assert.Single((await daemon.Client.GetTunnelAsync("lab")).Definition.RemoteSelectors!));
        await daemon.RestartAsync();
        Assert.Equal("10.2.0.0/24", Assert.Single((await daemon.Client.GetTunnelAsync("lab")).Definition.RemoteSelectors!));
    }

    [Fact]
    public async Task A_request_neither_replaces_nor_deletes_what_was_declared_by_hand_and_not_read_yet()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition declared = daemon.Declare(DaemonHarness.Definition());
        string file = Path.Combine(daemon.TunnelsFolder, "lab.json"), before = File.ReadAllText(file);

        var conflict = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(declared with { ReplayWindow = 256 }));

        Assert.Equal(("conflict", $"{file} declares a tunnel 'lab' and was not read yet; reload, or delete that file."), (conflict.Error, conflict.Message));
        Assert.Equal(before, File.ReadAllText(file));
        Assert.Equal(["lab"], (await daemon.Client.ReloadAsync()).Added);
    }

    [Fact]
    public async Task A_tunnel_that_cannot_be_held_leaves_the_key_that_it_only_named()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        string key = Path.Combine(daemon.TunnelsFolder, "lab.key");
        File.Move(daemon.WritePrivate("key", Key), key);
        daemon.Plane.RefuseHold = _ => new PcpuIpsecException(PcpuIpsecError.HostUnable, "no room");

        await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.CreateTunnelAsync(DaemonHarness.Definition() with { PreSharedKey = null, PreSharedKeyFile = key }));

        Assert.Equal([key], Directory.GetFileSystemEntries(daemon.TunnelsFolder));
        Assert.Equal(Key, File.ReadAllText(key));
    }

    [Fact]
    public async Task A_key_is_in_a_file_of_its_owner_and_in_nothing_that_is_listed()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition(key: Key));

        string keyFile = Path.Combine(daemon.TunnelsFolder, "lab.key");
        Assert.Equal(Key, File.ReadAllText(keyFile));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(keyFile));
        Assert.DoesNotContain(Key, File.ReadAllText(Path.Combine(daemon.TunnelsFolder, "lab.json")));
        foreach (string path in (string[])["v1/tunnels", "v1/tunnels/lab", "v1/events/recent", "v1/version", "metrics"])
            Assert.DoesNotContain(Key, await daemon.Http.GetStringAsync(path));
    }

    [Fact]
    public async Task Another_key_is_a_change_and_the_same_one_is_none()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition(key: Key);
        await daemon.Client.CreateTunnelAsync(definition);

        Assert.False((await daemon.Client.UpdateTunnelAsync(definition)).Changed);
        Assert.True((await daemon.Client.UpdateTunnelAsync(definition with { PreSharedKey = PreSharedKey.CopyOf("another key"u8) })).Changed);
        Assert.Equal("another key", File.ReadAllText(Path.Combine(daemon.TunnelsFolder, "lab.key")));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public async Task A_line_break_at_the_end_of_a_key_is_no_part_of_it_before_a_restart_as_after_it(string end)
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        TunnelDefinition definition = DaemonHarness.Definition(key: Key + end);
        await daemon.Client.CreateTunnelAsync(definition);
        Assert.False((await daemon.Client.CreateTunnelAsync(definition with { PreSharedKey = PreSharedKey.CopyOf(Encoding.UTF8.GetBytes(Key)) })).Changed);

        await daemon.RestartAsync();

        Assert.False((await daemon.Client.CreateTunnelAsync(definition)).Changed);
    }

    [Fact]
    public async Task Tunnels_are_there_after_a_restart()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());

        await daemon.RestartAsync();

        Assert.Equal("lab", Assert.Single(await daemon.Client.GetTunnelsAsync()).Name);
        Assert.Contains("lab", daemon.Plane.Held.Keys);
    }

    [Fact]
    public async Task A_stop_keeps_the_traffic_held_and_the_socket_is_gone()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        FakeDataPlane plane = daemon.Plane;

        await daemon.RestartAsync();

        Assert.True(plane.Disposed);
        Assert.DoesNotContain("release lab", plane.Calls);
    }

    [Fact]
    public async Task The_socket_is_for_root_and_a_group_alone()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();

        Assert.Equal("660", Convert.ToString((int)File.GetUnixFileMode(daemon.SocketPath), 8));
        Assert.Equal(["s.sock", "s.sock.lock", "tunnels.d"], Directory.GetFileSystemEntries(daemon.Folder).Select(Path.GetFileName).Order()!);
    }

    [Theory]
    [InlineData("GET", "v1/tunnels/none", null, 404, "not-found", "There is no tunnel 'none'.")]
    [InlineData("DELETE", "v1/tunnels/none", null, 404, "not-found", "There is no tunnel 'none'.")]
    [InlineData("POST", "v1/tunnels/none/start", null, 404, "not-found", "There is no tunnel 'none'.")]
    [InlineData("GET", "v1/nothing", null, 404, "not-found", "There is nothing at /v1/nothing; /v1/openapi.json lists what there is.")]
    [InlineData("PATCH", "v1/tunnels", null, 405, "not-found", "PATCH is not what /v1/tunnels is for; allowed: GET, POST.")]
    [InlineData("POST", "v1/tunnels", "", 400, "invalid-option", "The JSON has a fault of syntax at $ (line 1, byte 1).")]
    [InlineData("POST", "v1/tunnels", "null", 400, "invalid-option", "The document is null; a JSON object is needed.")]
    [InlineData("POST", "v1/tunnels", "[1]", 400, "invalid-option", "The JSON has a value that is not allowed at $ (line 1, byte 2); allowed: an object.")]
    [InlineData("POST", "v1/tunnels", "{}", 400, "invalid-option", "The JSON has a required field missing at $ (line 1, byte 3); needed: name, localAddress, remoteAddress.")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"x","preSharedKey":"k"}""", 400, "invalid-option", "remoteAddress: 'x' is not allowed; allowed: an IPv4 or IPv6 address")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","dance":1}""", 400, "invalid-option", "The JSON has a field that does not exist at $.dance (line 1,")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2"}""", 400, "invalid-option", "preSharedKey, preSharedKeyFile and preSharedKeyCredential: none is given; allowed is one of them")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"k","childRekeySeconds":1e300}""", 400, "invalid-option", "childRekeySeconds: '1E+300' is not allowed; allowed: seconds from 0 to 1000000000")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"k","localSelectors":[null]}""", 400, "invalid-option", "localSelectors: 'null' is not allowed; allowed: text in each place")]
    [InlineData("POST", "v1/tunnels", """{"name":null,"localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"k"}""", 400, "invalid-option", "The JSON has a value that is not allowed at $")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"k","xfrmInterface":{"name":null}}""", 400, "invalid-option", "The JSON has a value that is not allowed at $")]
    [InlineData("POST", "v1/tunnels", """{"name":"../a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKey":"k"}""", 400, "invalid-option", "name: '../a'")]
    [InlineData("POST", "v1/tunnels", """{"name":"a","localAddress":"10.0.0.1","remoteAddress":"10.0.0.2","preSharedKeyFile":"x"}""", 400, "invalid-option", "preSharedKeyFile: 'x' is relative; allowed is an absolute path")]
    public async Task What_is_wrong_is_told_by_problem_details(string method, string path, string? body, int status, string error, string detail)
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");

        using HttpResponseMessage response = await daemon.Http.SendAsync(request);

        Assert.Equal(((HttpStatusCode)status, "application/problem+json"), (response.StatusCode, response.Content.Headers.ContentType?.MediaType));
        using JsonDocument problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Equal((error, status, "urn:pcpu-ipsec:" + error), (problem.RootElement.GetProperty("error").GetString()!, problem.RootElement.GetProperty("status").GetInt32(), problem.RootElement.GetProperty("type").GetString()!));
        Assert.StartsWith(detail, problem.RootElement.GetProperty("detail").GetString());
        Assert.Empty(Directory.GetFileSystemEntries(daemon.TunnelsFolder));
    }

    [Fact]
    public async Task A_body_is_bounded_and_of_json()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();

        using var huge = new StringContent(new string(' ', 3_000_000), Encoding.UTF8, "application/json");
        using HttpResponseMessage tooLarge = await daemon.Http.PostAsync("v1/tunnels", huge);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLarge.StatusCode);

        using var endless = new HttpRequestMessage(HttpMethod.Post, "v1/tunnels") { Content = new StringContent(new string(' ', 3_000_000), Encoding.UTF8, "application/json") };
        endless.Headers.TransferEncodingChunked = true;
        using HttpResponseMessage tooLong = await daemon.Http.SendAsync(endless);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, tooLong.StatusCode);

        using var xml = new StringContent("<a/>", Encoding.UTF8, "text/xml");
        using HttpResponseMessage notJson = await daemon.Http.PostAsync("v1/tunnels", xml);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, notJson.StatusCode);
    }

    [Fact]
    public async Task A_body_may_come_without_its_length()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        daemon.Core.Connections["lab"] = FakeCore.Snapshot("lab", "up", FakeCore.Child(1, 0x1000, fallback: true));

        // The client does not tell how long this one is.
        var e = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.MoveChildSaAsync("lab", 1, 0));

        Assert.Contains("the fallback", e.Message);
    }

    [Fact]
    public async Task A_thousand_hostile_requests_are_each_answered_and_change_nothing()
    {
        const string Valid = """{"name":"lab","localAddress":"127.9.9.1","remoteAddress":"127.9.9.2","preSharedKey":"k","localSelectors":["10.1.0.0/24"],"remoteSelectors":["10.2.0.0/24"],"perCpu":{"cpus":[0]},"bypass":[{"remote":"10.9.0.0/16"}]}""";
        string[] paths = ["v1/tunnels", "v1/tunnels/lab", "v1/tunnels/%00", "v1/tunnels/..%2f..", "v1/tunnels/lab/child-sas/1/move", "v1/tunnels/lab/child-sas/99999999999/rekey", "v1/%ff", "v2/tunnels", "v1/tunnels/lab/start?wait=never"];
        string[] methods = ["POST", "PUT", "DELETE", "PATCH", "GET"];
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        var random = new Random(9611);
        for (int i = 0; i < 1000; i++)
        {
            // One byte at least is wrong, whatever else it is then.
            byte[] body = Encoding.UTF8.GetBytes(Valid);
            for (int n = random.Next(1, 6); n > 0; n--)
                body[random.Next(body.Length)] = (byte)random.Next(256);
            body[0] = (byte)'[';
            string path = paths[random.Next(paths.Length)];
            using var request = new HttpRequestMessage(new HttpMethod(methods[random.Next(methods.Length)]), path);
            if (request.Method != HttpMethod.Get)
            {
                request.Content = new ByteArrayContent(body, 0, random.Next(body.Length + 1));
                request.Content.Headers.TryAddWithoutValidation("Content-Type", random.Next(4) == 0 ? "text/plain" : "application/json");
            }

            using HttpResponseMessage response = await daemon.Http.SendAsync(request);

            bool isList = request.Method == HttpMethod.Get && path == "v1/tunnels";
            Assert.True(isList == response.IsSuccessStatusCode && (int)response.StatusCode < 500, $"{request.Method} {path} was answered {response.StatusCode}");
            if (!isList && response.Content.Headers.ContentLength != 0)
                Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.MediaType);
        }
        Assert.Empty(await daemon.Client.GetTunnelsAsync());
        Assert.Empty(Directory.GetFileSystemEntries(daemon.TunnelsFolder));
    }

    [Fact]
    public async Task Events_are_listed_and_followed_from_any_of_them_on()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition("one"));
        DaemonEvent first = (await daemon.Client.GetEventsAsync()).First(e => e.Kind == "tunnel-added");
        Assert.Equal("one", first.Tunnel);

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await using IAsyncEnumerator<DaemonEvent> follower = daemon.Client.FollowEventsAsync(first.Id, limit.Token).GetAsyncEnumerator();
        ValueTask<bool> next = follower.MoveNextAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition("two"));

        Assert.True(await next);
        Assert.Equal(("tunnel-added", "two", first.Id + 1), (follower.Current.Kind, follower.Current.Tunnel, follower.Current.Id));
    }

    [Fact]
    public async Task A_follower_ends_with_the_daemon_and_does_not_hold_it_up()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await using IAsyncEnumerator<DaemonEvent> follower = daemon.Client.FollowEventsAsync(0, limit.Token).GetAsyncEnumerator();
        ValueTask<bool> next = follower.MoveNextAsync();
        await daemon.Client.GetInfoAsync();

        await daemon.RestartAsync();

        Assert.False(await next);
    }

    [Fact]
    public async Task Metrics_tell_of_each_tunnel()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        daemon.Core.Connections["lab"] = FakeCore.Snapshot("lab", "up", FakeCore.Child(1, 0x1000, fallback: true), FakeCore.Child(2, 0x2000, cpu: 0));

        daemon.Core.Answer = e => e is CheckLiveness
            ? [new Report(new ExchangeAnswered("lab", ExchangeType.CREATE_CHILD_SA, TimeSpan.FromMilliseconds(3))), new Report(new HandshakeDone("lab", Handshake.IkeSaSetup, TimeSpan.FromSeconds(40))), new Report(new PeerAnswered("lab"))]
            : [];
        await daemon.Gateway.CheckPeerAsync("lab");

        string metrics = await daemon.Http.GetStringAsync("metrics");

        Assert.Contains("pcpu_ipsec_exchange_seconds_bucket{tunnel=\"lab\",exchange=\"CREATE_CHILD_SA\",le=\"0.002\"} 0\n", metrics);
        Assert.Contains("pcpu_ipsec_exchange_seconds_bucket{tunnel=\"lab\",exchange=\"CREATE_CHILD_SA\",le=\"0.005\"} 1\n", metrics);
        Assert.Contains("pcpu_ipsec_exchange_seconds_sum{tunnel=\"lab\",exchange=\"CREATE_CHILD_SA\"} 0.003\n", metrics);
        Assert.Contains("# TYPE pcpu_ipsec_ike_sa_setup_seconds histogram\n", metrics);
        Assert.Contains("pcpu_ipsec_ike_sa_setup_seconds_bucket{tunnel=\"lab\",le=\"30\"} 0\n", metrics);
        Assert.Contains("pcpu_ipsec_ike_sa_setup_seconds_bucket{tunnel=\"lab\",le=\"+Inf\"} 1\n", metrics);
        Assert.Contains("pcpu_ipsec_ike_sa_setup_seconds_count{tunnel=\"lab\"} 1\n", metrics);
        Assert.Contains("pcpu_ipsec_tunnel_up{tunnel=\"lab\"} 1\n", metrics);
        Assert.Contains("pcpu_ipsec_child_sa_bytes_total{tunnel=\"lab\",number=\"2\",cpu=\"0\",direction=\"out\"} 0\n", metrics);
        Assert.Contains("pcpu_ipsec_ike_total{counter=\"fake\"} 5\n", metrics);
        Assert.All(metrics.Split('\n', StringSplitOptions.RemoveEmptyEntries), line => Assert.Matches("^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+({[a-z_]+=\"[^\"]*\"(,[a-z_]+=\"[^\"]*\")*})? -?[0-9.]+)$", line));

        await daemon.Client.DeleteTunnelAsync("lab");
        Assert.DoesNotContain("tunnel=\"lab\"", await daemon.Http.GetStringAsync("metrics"));
    }

    [Fact]
    public async Task Child_SAs_are_listed_with_their_cpus_and_spis()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());
        daemon.Core.Connections["lab"] = FakeCore.Snapshot("lab", "up", FakeCore.Child(1, 0x1000, fallback: true), FakeCore.Child(2, 0xc0ffee12, cpu: 0));

        IReadOnlyList<ChildSa> children = await daemon.Client.GetChildSasAsync();

        Assert.Equal([(1, true, null), (2, false, 0)], children.Select(c => (c.Number, c.IsFallback, c.Cpu)));
        Assert.Equal(("lab", "0xc0ffee12"), (children[1].Tunnel, children[1].InboundSpi));
        var none = await Assert.ThrowsAsync<DaemonException>(() => daemon.Client.RekeyChildSaAsync("lab", 9));
        Assert.Equal("Tunnel 'lab' has no Child SA 9.", none.Message);
    }

    [Fact]
    public async Task The_OpenApi_document_has_every_route_and_no_key_that_is_read()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync();

        using JsonDocument document = JsonDocument.Parse(await daemon.Http.GetStringAsync("v1/openapi.json"));

        JsonElement paths = document.RootElement.GetProperty("paths");
        string[] operations = [.. paths.EnumerateObject().SelectMany(p => p.Value.EnumerateObject().Select(o => $"{o.Name.ToUpperInvariant()} {p.Name}")).Order(StringComparer.Ordinal)];
        Assert.Equal(
            [
                "DELETE /v1/tunnels/{name}", "GET /metrics", "GET /v1/child-sas", "GET /v1/events", "GET /v1/events/recent", "GET /v1/host/checks", "GET /v1/irqs", "GET /v1/nics", "GET /v1/tunnels",
                "GET /v1/tunnels/{name}", "GET /v1/tunnels/{name}/child-sas", "GET /v1/version", "GET /v1/xfrm/policies", "GET /v1/xfrm/states", "GET /v1/xfrm/statistics",
                "POST /v1/host/optimize", "POST /v1/host/restore", "POST /v1/nics/{name}/irqs", "POST /v1/nics/{name}/tuning", "POST /v1/reload", "POST /v1/tunnels", "POST /v1/tunnels/{name}/child-sas/{number}/move", "POST /v1/tunnels/{name}/child-sas/{number}/rekey",
                "POST /v1/tunnels/{name}/start", "POST /v1/tunnels/{name}/stop", "PUT /v1/tunnels/{name}",
            ],
            operations);
        JsonElement key = document.RootElement.GetProperty("components").GetProperty("schemas").GetProperty("PreSharedKey");
        Assert.True(key.GetProperty("writeOnly").GetBoolean());
    }

    [Fact]
    public async Task A_client_says_that_no_daemon_is_there()
    {
        using var client = new DaemonClient("/nonexistent/pcpu.sock");
        var e = await Assert.ThrowsAsync<DaemonException>(() => client.GetInfoAsync());
        Assert.Equal(DaemonException.Unreachable, e.Error);
        Assert.Contains("/nonexistent/pcpu.sock", e.Message);
    }

    [Fact]
    public async Task Where_the_data_plane_fails_the_traffic_stays_held_also_if_a_stop_releases_it()
    {
        await using DaemonHarness daemon = await DaemonHarness.StartAsync(d => d.OnStop = StopAction.Forget);
        await daemon.Client.CreateTunnelAsync(DaemonHarness.Definition());

        daemon.Plane.Raise(new PlaneFailed("worker 0 ended"));

        Assert.Equal(1, await daemon.Ended);
        Assert.Equal(["lab"], daemon.Plane.Held.Keys);
        Assert.True(File.Exists(Path.Combine(daemon.TunnelsFolder, "lab.json")));
    }
}
