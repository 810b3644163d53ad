using System.Diagnostics;
using PcpuIpsec.Gateway;
using PcpuIpsec.Host;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>The whole way: two gateways over real UDP in the lab, and tshark as the judge of what was on the wire.</summary>
[Collection("namespaces")]
public sealed class WholeWayTests : IDisposable
{
    private static readonly CancellationToken _none = CancellationToken.None;
    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-whole-").FullName;

    public void Dispose()
    {
        LabJanitor.Clean(_folder);
        Directory.Delete(_folder, recursive: true);
    }

    [NamespaceFact("ping", "tcpdump", "tshark")]
    public async Task Tshark_decrypts_the_captured_handshake_and_ESP_and_names_SA_RESOURCE_INFO_in_each_exchange()
    {
        await using LabNetwork lab = await LabAsync();
        string pcap = Path.Combine(_folder, "black.pcap");
        int perCpu;
        await using (LabCapture capture = await LabCapture.StartAsync(lab.West, "black", pcap))
        {
            await using IpsecGateway west = await GatewayAsync(lab.West, lab.East, export: true);
            await using IpsecGateway east = await GatewayAsync(lab.East, lab.West);
            await west.ConnectAsync("lab", _none);
            TunnelStatus status = await west.WaitForChildSasAsync("lab", _none);
            perCpu = status.ChildSas.Count(c => !c.IsFallback);
            CommandResult ping = await lab.Sunset.RunAsync(new LabCommand("ping", "-c", "20", "-i", "0.02", "-W", "5", lab.Sunrise.Address.ToString()), _none);
            ping.EnsureSuccess();
            await west.CloseTunnelAsync("lab", _none);
            await Task.Delay(500, _none);
            await capture.StopAsync();
        }
        Assert.Equal(HostCpus.Online().Count, perCpu);

        string[] ike = Tshark(pcap, "isakmp", "isakmp.exchangetype", "isakmp.notify.msgtype", "isakmp.typepayload");
        Assert.All(ike.Where(l => l.StartsWith("35\t", StringComparison.Ordinal)), l => Assert.Contains("16444", l));
        Assert.Equal(2, ike.Count(l => l.StartsWith("35\t", StringComparison.Ordinal)));
        string[] create = [.. ike.Where(l => l.StartsWith("36\t", StringComparison.Ordinal))];
        Assert.True(create.Length >= 2 * perCpu, $"{create.Length} CREATE_CHILD_SA messages for {perCpu} CPUs");
        Assert.All(create, l => Assert.Contains("16444", l));
        // Every payload is named: SA 33, TSi 44, TSr 45 inside SK 46, and the Delete 42 at the end.
        Assert.All(create, l => Assert.True(new[] { "33", "40", "44", "45", "46" }.All(p => l.Split('\t')[2].Split(',').Contains(p)), l));
        Assert.Contains(ike, l => l.StartsWith("37\t", StringComparison.Ordinal) && l.Split('\t')[2].Split(',').Contains("42"));

        string[] esp = Tshark(pcap, "esp", "esp.spi", "icmp.type", "ip.src", "esp.icv_bad", "esp.icv_good");
        Assert.True(esp.Length >= 40, $"{esp.Length} ESP packets");
        Assert.All(esp, l => Assert.Contains(lab.Sunset.Address.ToString().Equals(l.Split('\t')[2].Split(',')[^1], StringComparison.Ordinal) ? "\t8\t" : "\t0\t", l));
    }

    [NamespaceFact("ping")]
    public async Task A_wrong_key_and_a_peer_that_is_not_there_are_named_and_nothing_is_left_but_the_hold()
    {
        await using LabNetwork lab = await LabAsync();
        await using IpsecGateway west = await GatewayAsync(lab.West, lab.East);
        var silence = Stopwatch.StartNew();
        PcpuIpsecException silent = await Assert.ThrowsAsync<PcpuIpsecException>(() => west.ConnectAsync("lab", _none));
        Assert.Equal(PcpuIpsecError.PeerSilent, silent.Error);
        Assert.True(silence.Elapsed < TimeSpan.FromSeconds(30), silence.Elapsed.ToString());

        await using IpsecGateway east = await GatewayAsync(lab.East, lab.West, key: "another key, of the same length");
        var wrong = Stopwatch.StartNew();
        PcpuIpsecException refused = await Assert.ThrowsAsync<PcpuIpsecException>(() => west.ConnectAsync("lab", _none));
        Assert.Equal(PcpuIpsecError.AuthenticationFailed, refused.Error);
        Assert.True(wrong.Elapsed < TimeSpan.FromSeconds(5), wrong.Elapsed.ToString());
        Assert.All((await west.GetStatusAsync(_none)).Tunnels, t => Assert.Empty(t.ChildSas));
        CommandResult ping = await lab.Sunset.RunAsync(new LabCommand("ping", "-c", "1", "-W", "1", lab.Sunrise.Address.ToString()), _none);
        Assert.NotEqual(0, ping.ExitCode);
        await west.RemoveTunnelAsync("lab", _none);
    }

    private Task<LabNetwork> LabAsync() => LabNetwork.CreateAsync(new LabOptions { StateFolder = _folder, Queues = HostCpus.Online().Count, CleanOnSignal = false }, _none);

    private Task<IpsecGateway> GatewayAsync(LabHost host, LabHost peer, bool export = false, string key = "what both of the lab's ends know")
        => IpsecGateway.StartAsync(new GatewayOptions
        {
            NetworkNamespace = host.Namespace.Path,
            KeyExportFolder = export ? _folder : null,
            Tunnels =
            [
                new TunnelOptions
                {
                    Name = "lab",
                    LocalAddress = host.Address,
                    RemoteAddress = peer.Address,
                    PreSharedKey = Secret.CopyOf(System.Text.Encoding.ASCII.GetBytes(key)),
                    LocalSelectors = [host.Red.Network.ToString()],
                    RemoteSelectors = [peer.Red.Network.ToString()],
                    // tshark 4.0 has no field for the high half of extended sequence numbers.
                    EspSuites = ["aes128gcm16"],
                    PerCpu = new PerCpuOptions(),
                    RetransmitGiveUp = TimeSpan.FromSeconds(4),
                },
            ],
        }, _none);

    private string[] Tshark(string capture, string filter, params string[] fields)
    {
        ProcessStartInfo start = new("tshark", ["-r", capture, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE", "-Y", filter, "-T", "fields", .. fields.SelectMany(f => new[] { "-e", f })])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["WIRESHARK_CONFIG_DIR"] = _folder },
        };
        using Process tshark = Process.Start(start)!;
        Task<string> errors = tshark.StandardError.ReadToEndAsync();
        string output = tshark.StandardOutput.ReadToEnd();
        Assert.True(tshark.WaitForExit(60_000), "tshark did not end");
        Assert.True(tshark.ExitCode == 0, errors.Result);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
