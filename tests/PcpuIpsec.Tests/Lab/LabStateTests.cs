using PcpuIpsec.Host;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Lab;

public sealed class LabStateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcpu-state-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_state_reads_back_as_it_was_written()
    {
        LabState state = LabState.New(["west", "east"]);
        state.Save(_folder);

        LabState loaded = LabState.Load(LabState.PathOf(_folder, state.Id))!;

        Assert.Equal((state.Id, ProcessIdentity.Current), (loaded.Id, loaded.Owner));
        Assert.Equal([$"pcpu-{state.Id}-west", $"pcpu-{state.Id}-east"], loaded.Namespaces);
        Assert.Equal([LabState.PathOf(_folder, state.Id)], Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void No_two_states_share_an_identifier()
        => Assert.Equal(200, Enumerable.Range(0, 200).Select(_ => LabState.New([]).Id).Distinct().Count());

    [Fact]
    public void A_state_that_went_away_is_null_and_a_broken_one_is_named()
    {
        string path = LabState.PathOf(_folder, "broken");
        Assert.Null(LabState.Load(path));
        File.WriteAllText(path, "{");
        Assert.Contains(path, Assert.Throws<PcpuIpsecException>(() => LabState.Load(path)).Message);
    }

    [Fact]
    public void The_janitor_leaves_a_lab_alone_whose_owner_lives()
    {
        LabState state = LabState.New(["west"]);
        state.Save(_folder);

        Assert.Empty(LabJanitor.Clean(_folder));

        Assert.True(File.Exists(LabState.PathOf(_folder, state.Id)));
    }

    [Fact]
    public void The_janitor_removes_what_was_half_written_long_ago_and_nothing_that_is_being_written()
    {
        string old = Path.Combine(_folder, "old.tmp"), fresh = Path.Combine(_folder, "fresh.tmp");
        File.WriteAllText(old, "{");
        File.WriteAllText(fresh, "{");
        File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddMinutes(-2));

        LabJanitor.Clean(_folder);

        Assert.Equal([fresh], Directory.EnumerateFiles(_folder));
    }

    [Fact]
    public void A_process_is_itself_only_with_its_start_time()
    {
        ProcessIdentity self = ProcessIdentity.Current;
        Assert.Equal(Environment.ProcessId, self.Pid);
        Assert.True(self.IsAlive);
        Assert.False((self with { StartTime = self.StartTime + 1 }).IsAlive);
        Assert.Null(ProcessIdentity.Of(int.MaxValue));
    }
}
