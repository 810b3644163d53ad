using System.Diagnostics;
using PcpuIpsec.Esp;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>An embedded plane in a process of its own, to be killed or to lack something.</summary>
internal static class PlaneProcess
{
    private const string Ready = "ready";

    /// <summary>Starts west's plane with the manual keys that <see cref="ManualTunnel"/> uses, and waits until it carries packets.</summary>
    public static Process StartWest(TestNetwork network, TunnelShape shape, uint toEast, uint toWest)
    {
        string arguments = $"netns exec {network.WestName} dotnet {typeof(PlaneProcess).Assembly.Location} hold {shape.Mode},{toEast},{toWest}";
        Process process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        string? line = process.StandardOutput.ReadLine();
        return line == Ready ? process : throw new InvalidOperationException($"The plane's process said '{line}' in place of '{Ready}'.");
    }

    /// <summary>Kills it as the kernel's OOM killer does: it gets to do nothing any more.</summary>
    public static void Kill(Process process)
    {
        Libc.Check(Libc.Kill(process.Id, Libc.SIGKILL), "kill");
        process.WaitForExit();
    }

    /// <summary>Runs a program that makes a plane under setpriv(1), and gives what it printed.</summary>
    public static string CreateWithout(string capability)
    {
        string arguments = $"--bounding-set=-{capability} --inh-caps=-{capability} dotnet {typeof(PlaneProcess).Assembly.Location} create";
        using Process process = Process.Start(new ProcessStartInfo("setpriv", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    /// <summary>Within the process.</summary>
    internal static async Task<int> HoldAsync(string shape)
    {
        string[] words = shape.Split(',');
        var tunnelShape = new TunnelShape { Mode = Enum.Parse<PcpuIpsec.Ike.IpsecMode>(words[0]) };
        uint Number(int index) => uint.Parse(words[index], System.Globalization.CultureInfo.InvariantCulture);
        EmbeddedDataPlane west = await EmbeddedDataPlane.CreateAsync(new EmbeddedOptions { Cpus = tunnelShape.WestCpus }, default);
        await west.HoldAsync(ManualTunnel.Policy(tunnelShape, ofWest: true), default);
        await west.InstallAsync(ManualTunnel.Sa(tunnelShape, PcpuIpsec.Ike.SaDirection.Inbound, Number(2), ofWest: true, cpu: null), default);
        await west.InstallAsync(ManualTunnel.Sa(tunnelShape, PcpuIpsec.Ike.SaDirection.Outbound, Number(1), ofWest: true, cpu: null), default);
        Console.WriteLine(Ready);
        // Until it is killed, or its parent is gone.
        Console.Read();
        return 0;
    }

    /// <summary>Within the process.</summary>
    internal static async Task<int> CreateAsync()
    {
        try
        {
            await using EmbeddedDataPlane plane = await EmbeddedDataPlane.CreateAsync(new EmbeddedOptions { Cpus = [0], InterfaceName = "pcputest0" }, default);
            Console.WriteLine("made");
            return 0;
        }
        catch (PcpuIpsecException e)
        {
            Console.WriteLine($"{e.Error}: {e.Message}");
            return 1;
        }
    }
}
