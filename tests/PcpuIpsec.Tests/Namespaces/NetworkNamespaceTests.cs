using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Lab;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Tests.Namespaces;

[Collection("namespaces")]
public class NetworkNamespaceTests
{
    [NamespaceFact]
    public void A_namespace_is_listed_while_it_lives_and_not_after()
    {
        var temporary = new TemporaryNamespace();
        string name = temporary.Namespace.Name;
        Assert.Contains(name, NetworkNamespace.List());
        Assert.Equal(name, NetworkNamespace.Get(name).Name);

        temporary.Dispose();

        Assert.DoesNotContain(name, NetworkNamespace.List());
        Assert.Contains(name, Assert.Throws<PcpuIpsecException>(() => NetworkNamespace.Get(name)).Message);
        NetworkNamespace.Delete(name); // Once more does no harm.
    }

    [NamespaceFact]
    public void A_name_that_is_taken_is_refused_and_what_is_there_stays()
    {
        using var temporary = new TemporaryNamespace();
        string name = temporary.Namespace.Name;

        Assert.Contains(name, Assert.Throws<PcpuIpsecException>(() => NetworkNamespace.Create(name)).Message);

        Assert.Equal(1, temporary.Namespace.Run(() => RouteSocket.Open().RequireLink("lo").Index));
    }

    [NamespaceFact("ip")]
    public async Task The_ip_program_knows_it()
    {
        using var temporary = new TemporaryNamespace();
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("ip", ["-o", "-n", temporary.Namespace.Name, "link"]) { RedirectStandardOutput = true })!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        Assert.Contains("lo:", output);
    }

    [Theory]
    [InlineData("")]
    [InlineData("..")]
    [InlineData("a/b")]
    public void A_name_that_is_no_file_name_is_refused(string name)
        => Assert.Contains($"'{name}'", Assert.Throws<PcpuIpsecException>(() => NetworkNamespace.Delete(name)).Message);

    [NamespaceFact]
    public void A_socket_opened_inside_stays_inside_whichever_thread_uses_it()
    {
        using var temporary = new TemporaryNamespace();
        using Socket inside = temporary.Namespace.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        inside.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        // The same port is free outside only because the namespaces differ.
        outside.Bind(inside.LocalEndPoint!);
        using RouteSocket routes = temporary.Namespace.OpenRoutes();
        Assert.Equal("lo", Assert.Single(routes.Links(), l => l.Flags.HasFlag(LinkFlags.Loopback)).Name);
    }

    [NamespaceFact]
    public void The_callers_thread_stays_where_it_was_also_when_the_action_fails()
    {
        using var temporary = new TemporaryNamespace();
        string before = Here();

        string inside = temporary.Namespace.Run(Here);
        Assert.Throws<InvalidOperationException>(() => temporary.Namespace.Run(() => throw new InvalidOperationException("on purpose")));

        Assert.NotEqual(before, inside);
        Assert.Equal(before, Here());

        static string Here() => File.ResolveLinkTarget("/proc/thread-self/ns/net", returnFinalTarget: false)!.Name;
    }

    [NamespaceFact]
    public void Sysctls_are_those_of_the_namespace()
    {
        using var temporary = new TemporaryNamespace();
        using var other = new TemporaryNamespace();
        temporary.Namespace.SetSysctl("net.ipv4.ip_forward", "1");
        other.Namespace.SetSysctl("net.ipv4.ip_forward", "0");

        Assert.Equal("1", temporary.Namespace.GetSysctl("net.ipv4.ip_forward"));
        Assert.Equal("0", other.Namespace.GetSysctl("net.ipv4.ip_forward"));
        Assert.Contains("lo:", temporary.Namespace.ReadProcNet("dev"));
    }

    [NamespaceFact]
    public void What_a_creation_killed_half_way_leaves_can_be_deleted()
    {
        string name = "pcpu-test-half";
        Directory.CreateDirectory(NetworkNamespace.Folder);
        File.WriteAllText($"{NetworkNamespace.Folder}/{name}", "");

        Assert.Empty(NetworkNamespace.ProcessesIn(name));
        NetworkNamespace.Delete(name);

        Assert.DoesNotContain(name, NetworkNamespace.List());
    }
}
