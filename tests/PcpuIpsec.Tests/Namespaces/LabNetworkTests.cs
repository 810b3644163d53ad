using System.Diagnostics;
using System.Net;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;
using PcpuIpsec.Lab;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>The lab itself: who reaches whom, what it leaves, and how processes in it live and die.</summary>
[Collection("namespaces")]
public sealed class LabNetworkTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-lab-").FullName;

    public void Dispose()
    {
        LabJanitor.Clean(_folder);
        Directory.Delete(_folder, recursive: true);
    }

    [NamespaceFact("ping")]
    public async Task Neighbours_reach_each_other_and_the_far_network_only_in_plaintext_mode()
    {
        await using LabNetwork lab = await CreateAsync();

        Assert.True(await PingAsync(lab.Sunset, lab.West.Red.Address));
        Assert.True(await PingAsync(lab.West, lab.East.Address));
        Assert.True(await PingAsync(lab.West, lab.East.Address6));
        Assert.False(await PingAsync(lab.Sunset, lab.Sunrise.Address));
        Assert.False(await PingAsync(lab.Sunset, lab.Sunrise.Address6));

        lab.AllowPlaintext();
        lab.AllowPlaintext(); // Twice is once.
        Assert.True(await PingAsync(lab.Sunset, lab.Sunrise.Address));
        Assert.True(await PingAsync(lab.Sunset, lab.Sunrise.Address6));

        lab.ForbidPlaintext();
        lab.ForbidPlaintext();
        Assert.False(await PingAsync(lab.Sunset, lab.Sunrise.Address));
        Assert.False(await PingAsync(lab.Sunset, lab.Sunrise.Address6));
    }

    [NamespaceFact]
    public async Task Interfaces_have_the_queues_and_MTUs_asked_for()
    {
        await using LabNetwork lab = await LabNetwork.CreateAsync(
            new LabOptions { StateFolder = _folder, Queues = 3, BlackMtu = 1400, RedMtu = 9000 }, CancellationToken.None);
        using RouteSocket routes = lab.East.OpenRoutes();

        Link black = routes.RequireLink("black"), red = routes.RequireLink("red");

        Assert.Equal((1400, 3, 3, true), (black.Mtu, black.TxQueues, black.RxQueues, black.IsUp));
        Assert.Equal((9000, 3, 3, true), (red.Mtu, red.TxQueues, red.RxQueues, red.IsUp));
    }

    [NamespaceFact]
    public async Task The_hosts_know_their_networks()
    {
        await using LabNetwork lab = await CreateAsync();

        Assert.Equal(["sunset", "west", "east", "sunrise"], lab.Hosts.Select(h => h.Name));
        Assert.Equal(IPNetwork.Parse("10.1.0.0/24"), lab.Sunset.Red.Network);
        Assert.Equal(IPNetwork.Parse("fd00:0:2::/64"), lab.East.Red.Network6);
        Assert.Equal("10.0.0.1", lab.West.Address.ToString());
        Assert.All(lab.Hosts, h => Assert.StartsWith($"pcpu-{lab.Id}-", h.NamespaceName));
    }

    [NamespaceFact]
    public async Task Two_labs_live_at_once_and_each_takes_only_itself_away()
    {
        LabNetwork[] labs = await Task.WhenAll(CreateAsync(), CreateAsync());
        Assert.NotEqual(labs[0].Id, labs[1].Id);
        Assert.Equal(4, Left(labs[0].Id).Count);

        await labs[0].DisposeAsync();

        Assert.Empty(Left(labs[0].Id));
        Assert.Equal(4, Left(labs[1].Id).Count);
        using (RouteSocket routes = labs[1].West.OpenRoutes())
            Assert.True(routes.RequireLink("black").IsUp);
        await labs[1].DisposeAsync();
        Assert.Empty(Left(labs[1].Id));
    }

    [NamespaceFact]
    public async Task Disposal_kills_what_runs_inside_also_children_of_children_and_leaves_nothing()
    {
        using RouteSocket here = RouteSocket.Open();
        var linksBefore = here.Links().Select(l => l.Name).ToHashSet();
        LabNetwork lab = await CreateAsync();
        Assert.Equal(linksBefore, here.Links().Select(l => l.Name).ToHashSet());
        LabProcess process = lab.Sunset.Start(new LabCommand("sh", "-c", "sleep 600 & echo $!; wait"));
        int grandchild = await FirstNumberAsync(process);
        ProcessIdentity identity = ProcessIdentity.Of(grandchild)!;
        string[] namespaces = [.. lab.Hosts.Select(h => h.NamespaceName)];

        await lab.DisposeAsync();
        await lab.DisposeAsync(); // Twice is once.

        Assert.True(await EventuallyAsync(() => !identity.IsAlive));
        Assert.Equal(128 + Libc.SIGKILL, (await process.WaitAsync(CancellationToken.None)).ExitCode);
        Assert.DoesNotContain(NetworkNamespace.List(), namespaces.Contains);
        Assert.Empty(Directory.EnumerateFiles(_folder));
        Assert.Equal(linksBefore, here.Links().Select(l => l.Name).ToHashSet());
    }

    [NamespaceFact]
    public async Task A_cancelled_start_leaves_nothing()
    {
        using var cancelled = new CancellationTokenSource();
        Task<LabNetwork> start = LabNetwork.CreateAsync(new LabOptions { StateFolder = _folder }, cancelled.Token);
        await EventuallyAsync(() => Directory.EnumerateFiles(_folder).Any() || start.IsCompleted);
        string? id = Directory.EnumerateFiles(_folder, "*.json").Select(Path.GetFileNameWithoutExtension).FirstOrDefault();
        await cancelled.CancelAsync();
        try
        {
            await (await start).DisposeAsync(); // It was faster.
        }
        catch (OperationCanceledException)
        {
            Assert.True(start.IsCanceled || start.IsFaulted);
        }
        Assert.Empty(Directory.EnumerateFiles(_folder));
        Assert.Empty(Left(id ?? "none"));
    }

    [Theory]
    [InlineData(1279)]
    [InlineData(65536)]
    public async Task An_MTU_out_of_range_is_refused_before_anything_is_made(int mtu)
    {
        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(
            () => LabNetwork.CreateAsync(new LabOptions { StateFolder = _folder, BlackMtu = mtu }, CancellationToken.None));
        Assert.Equal($"BlackMtu = {mtu}: allowed are 1280 to 65535.", e.Message);
        Assert.Empty(Directory.EnumerateFiles(_folder));
    }

    [NamespaceFact]
    public async Task A_killed_owner_takes_its_processes_along_and_the_next_start_clears_the_rest()
    {
        (Process owner, string id, ProcessIdentity inside) = await StartOwnerAsync();
        using (owner)
        {
            Assert.Equal(4, Left(id).Count);
            Assert.DoesNotContain(id, LabJanitor.Clean(_folder)); // Its owner lives.
            Assert.Equal(4, Left(id).Count);

            owner.Kill();
            await owner.WaitForExitAsync();
        }
        // By PR_SET_PDEATHSIG, with nobody clearing yet.
        Assert.True(await EventuallyAsync(() => !inside.IsAlive));
        Assert.Equal(4, Left(id).Count);

        await using LabNetwork next = await CreateAsync();

        Assert.Empty(Left(id));
        Assert.Equal([next.Id], Directory.EnumerateFiles(_folder).Select(f => Path.GetFileNameWithoutExtension(f)));
        Assert.Equal(4, Left(next.Id).Count);
    }

    [NamespaceFact]
    public async Task The_janitor_kills_what_outlived_its_owner()
    {
        string name = "pcpu-test-orphan";
        NetworkNamespace ns = NetworkNamespace.Create(name);
        await using LabProcess orphan = LabProcess.Start(ns.Path, new LabCommand("sleep", "600"));
        await EventuallyAsync(() => NetworkNamespace.ProcessesIn(name).Contains(orphan.Pid));
        // The first process has been running since boot, so it is not the one that started at this tick.
        new LabState("orphan", new ProcessIdentity(1, long.MaxValue), [name, "pcpu-test-never-made"]).Save(_folder);

        Assert.Equal(["orphan"], await LabJanitor.CleanAsync(_folder));

        Assert.Equal(128 + Libc.SIGKILL, (await orphan.WaitAsync(CancellationToken.None)).ExitCode);
        Assert.DoesNotContain(name, NetworkNamespace.List());
        Assert.Empty(await LabJanitor.CleanAsync(_folder));
    }

    [NamespaceFact]
    public async Task A_terminated_or_interrupted_owner_leaves_nothing_at_once()
    {
        foreach (int signal in (int[])[Libc.SIGTERM, Libc.SIGINT])
        {
            (Process owner, string id, ProcessIdentity inside) = await StartOwnerAsync();
            using (owner)
            {
                Assert.Equal(0, Libc.Kill(owner.Id, signal));
                await owner.WaitForExitAsync();
                Assert.Equal(128 + signal, owner.ExitCode);
            }
            Assert.Empty(Left(id));
            Assert.Empty(Directory.EnumerateFiles(_folder));
            Assert.True(await EventuallyAsync(() => !inside.IsAlive));
        }
    }

    [NamespaceFact]
    public async Task A_program_runs_inside_on_the_CPU_asked_for_with_its_environment()
    {
        await using LabNetwork lab = await CreateAsync();
        int cpu = HostCpus.Allowed()[^1];

        CommandResult result = await lab.East.RunAsync(new LabCommand("sh", "-c", "echo $GREETING; grep Cpus_allowed_list /proc/self/status; ip -o -4 addr show black; exit 3")
        {
            Cpus = [cpu],
            Environment = new Dictionary<string, string> { ["GREETING"] = "hello there" },
        }, CancellationToken.None);

        Assert.Equal(3, result.ExitCode);
        Assert.Contains("hello there\n", result.Output);
        Assert.Contains($"Cpus_allowed_list:\t{cpu}\n", result.Output);
        Assert.Contains("10.0.0.2/24", result.Output);
        Assert.Contains("exit code 3", Assert.Throws<PcpuIpsecException>(result.EnsureSuccess).Message);
    }

    [NamespaceFact]
    public async Task A_process_outlives_the_thread_that_asked_for_it()
    {
        using var temporary = new TemporaryNamespace();
        LabProcess? process = null;
        var thread = new Thread(() => process = LabProcess.Start(temporary.Namespace.Path, new LabCommand("sh", "-c", "echo up; sleep 1; echo still here")));
        thread.Start();
        thread.Join();

        await using (process)
        {
            CommandResult result = await process!.WaitAsync(CancellationToken.None);
            Assert.Equal((0, "up\nstill here\n"), (result.ExitCode, result.Output));
        }
    }

    [NamespaceFact]
    public async Task A_program_that_ignores_SIGTERM_is_killed_after_its_grace()
    {
        using var temporary = new TemporaryNamespace();
        await using LabProcess process = LabProcess.Start(temporary.Namespace.Path, new LabCommand("sh", "-c", "trap '' TERM; echo 1; while :; do sleep 0.1; done"));
        await FirstNumberAsync(process);

        CommandResult result = await process.StopAsync(grace: TimeSpan.FromMilliseconds(100));

        Assert.Equal(128 + Libc.SIGKILL, result.ExitCode);
    }

    [NamespaceFact]
    public async Task A_cancelled_run_kills_its_program()
    {
        using var temporary = new TemporaryNamespace();
        await using LabNetwork lab = await CreateAsync();
        using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lab.West.RunAsync(new LabCommand("sleep", "600"), cancelled.Token));

        Assert.Empty(NetworkNamespace.ProcessesIn(lab.West.NamespaceName));
    }

    [NamespaceFact]
    public async Task A_program_that_is_not_there_is_named()
    {
        using var temporary = new TemporaryNamespace();
        await using LabProcess process = LabProcess.Start(temporary.Namespace.Path, new LabCommand("no-such-program"));
        CommandResult result = await process.WaitAsync(CancellationToken.None);
        Assert.Contains("no-such-program", Assert.Throws<PcpuIpsecException>(result.EnsureSuccess).Message);
    }

    [NamespaceFact("tcpdump", "ping")]
    public async Task A_capture_holds_every_packet_from_its_start_to_its_stop()
    {
        await using LabNetwork lab = await CreateAsync();
        string path = Path.Combine(_folder, "black.pcap");
        await using LabCapture all = await LabCapture.StartAsync(lab.East, "black", path + ".all.pcap", snapLength: 34);
        await using LabCapture capture = await LabCapture.StartAsync(lab.West, "black", path, filter: "icmp");

        (await lab.West.RunAsync(new LabCommand("ping", "-q", "-i", "0.002", "-c", "250", lab.East.Address.ToString()), CancellationToken.None)).EnsureSuccess();
        await capture.StopAsync();

        await all.StopAsync();

        Assert.Equal((500L, 0L), (capture.Captured, capture.Dropped));
        Assert.True(all.Captured >= 500, $"{all.Captured} of 500, {all.Dropped} dropped");
        Assert.All(PcapFile.Read(all.Path), p => Assert.InRange(p.Bytes.Length, 1, 34));
        File.Delete(all.Path);
        List<PcapPacket> packets = PcapFile.Read(path);
        Assert.Equal(500, packets.Count);
        Assert.All(packets, p => Assert.Equal(14 + 20 + 64, p.OriginalLength));
        Assert.All(packets, p => Assert.Equal(1, p.Bytes.Span[14 + 9])); // IPPROTO_ICMP
        File.Delete(path);
    }

    [NamespaceFact("tcpdump")]
    public async Task A_capture_that_cannot_start_says_why()
    {
        await using LabNetwork lab = await CreateAsync();

        PcpuIpsecException e = await Assert.ThrowsAsync<PcpuIpsecException>(() => LabCapture.StartAsync(lab.West, "nosuch", Path.Combine(_folder, "x.pcap")));

        Assert.Contains("nosuch", e.Message);
        Assert.Contains("west", e.Message);
    }

    private Task<LabNetwork> CreateAsync() => LabNetwork.CreateAsync(new LabOptions { StateFolder = _folder }, CancellationToken.None);

    private static IReadOnlyList<string> Left(string id) => [.. NetworkNamespace.List().Where(n => n.Contains(id, StringComparison.Ordinal))];

    private static async Task<bool> PingAsync(LabHost from, IPAddress to)
        => (await from.RunAsync(new LabCommand("ping", "-c", "1", "-W", "1", to.ToString()), CancellationToken.None)).ExitCode == 0;

    private static async Task<bool> EventuallyAsync(Func<bool> condition)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(10))
                return false;
            await Task.Delay(5);
        }
        return true;
    }

    private static async Task<int> FirstNumberAsync(LabProcess process)
    {
        Assert.True(await EventuallyAsync(() => process.Output.Contains('\n')));
        return int.Parse(process.Output.Split('\n')[0]);
    }

    private async Task<(Process Owner, string LabId, ProcessIdentity Inside)> StartOwnerAsync()
    {
        // A test run in the background of a script ignores SIGINT, and its children would inherit that.
        var info = new ProcessStartInfo("env", ["--default-signal=INT,TERM", "dotnet", "exec", typeof(Tests.Lab.LabOwner).Assembly.Location, Tests.Lab.LabOwner.Verb, _folder]) { RedirectStandardOutput = true };
        Process owner = Process.Start(info)!;
        string[] words = (await owner.StandardOutput.ReadLineAsync() ?? "").Split(' ');
        Assert.Equal(2, words.Length);
        ProcessIdentity? inside = ProcessIdentity.Of(int.Parse(words[1]));
        Assert.NotNull(inside);
        return (owner, words[0], inside);
    }
}
