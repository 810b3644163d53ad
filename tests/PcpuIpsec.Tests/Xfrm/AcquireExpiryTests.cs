using PcpuIpsec.Host;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Tests.Xfrm;

/// <summary>The setting that tunnels on demand lower, and who puts it back.</summary>
public sealed class AcquireExpiryTests : IDisposable
{
    /// <summary>This process's number, of one that had it before.</summary>
    private static readonly ProcessIdentity _dead = ProcessIdentity.Current with { StartTime = 1 };

    private readonly string _root = Directory.CreateTempSubdirectory("expiry").FullName;

    public AcquireExpiryTests() => File.WriteAllText(Setting, "165\n");

    private string Setting => Path.Combine(_root, "setting");

    private string Folder => Path.Combine(_root, "run");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void The_last_that_needs_it_lowered_puts_back_what_was_there()
    {
        AcquireExpiry one = Of(ProcessIdentity.Current), two = Of(ProcessIdentity.Current);
        one.Lower();
        two.Lower();
        one.Restore();
        Assert.Equal("5", Value());
        two.Restore();
        Assert.Equal("165", Value());
        Assert.Empty(Directory.GetFiles(Folder));
    }

    [Fact]
    public void One_that_begins_under_a_living_one_leaves_it_lowered()
    {
        AcquireExpiry living = Of(ProcessIdentity.Current);
        living.Lower();
        Of(ProcessIdentity.Current).Restore();
        Assert.Equal("5", Value());
        living.Restore();
        Assert.Equal("165", Value());
    }

    [Fact]
    public void What_a_killed_one_lowered_is_put_back_by_the_next()
    {
        Of(_dead).Lower();
        AcquireExpiry next = Of(ProcessIdentity.Current);
        next.Restore();
        Assert.Equal("165", Value());
        Assert.Empty(Directory.GetFiles(Folder));
    }

    [Fact]
    public void What_a_killed_one_lowered_stays_so_while_another_lives()
    {
        Of(_dead).Lower();
        AcquireExpiry living = Of(ProcessIdentity.Current);
        living.Lower();
        Of(ProcessIdentity.Current).Restore();
        Assert.Equal("5", Value());
        living.Restore();
        Assert.Equal("165", Value());
    }

    [Fact]
    public void A_value_that_is_short_enough_or_that_somebody_set_meanwhile_stays()
    {
        File.WriteAllText(Setting, "3");
        AcquireExpiry expiry = Of(ProcessIdentity.Current);
        expiry.Lower();
        Assert.False(Directory.Exists(Folder));
        File.WriteAllText(Setting, "165");
        expiry.Lower();
        File.WriteAllText(Setting, "30");
        expiry.Restore();
        Assert.Equal("30", Value());
        Assert.Empty(Directory.GetFiles(Folder));
    }

    private AcquireExpiry Of(ProcessIdentity process) => new(Folder, Setting, "4026531840", process);

    private string Value() => File.ReadAllText(Setting).Trim();
}
