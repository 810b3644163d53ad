using System.Diagnostics;
using System.Globalization;
using System.Net;
using PcpuIpsec.Netlink;
using PcpuIpsec.Steering;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>Steers the wire of a namespace from a process of its own, to be killed.</summary>
internal static class SteeringProcess
{
    public const string Verb = "steer";
    private const string Ready = "ready";

    public static Process Start(string name, uint spi, string destination, int cpu)
    {
        Process process = Process.Start(new ProcessStartInfo("ip", $"netns exec {name} dotnet {typeof(SteeringProcess).Assembly.Location} {Verb} {spi} {destination} {cpu}") { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        string? line = process.StandardOutput.ReadLine();
        return line == Ready ? process : throw new InvalidOperationException($"The steering process said '{line}' in place of '{Ready}'.");
    }

    /// <summary>Within the process.</summary>
    internal static int Hold(string spi, string destination, string cpu)
    {
        XdpSteering steering = XdpSteering.Attach("wire", new XdpSteeringOptions { Mode = XdpMode.Native, QueueSize = 512 });
        steering.Set(SteeringEntry.Spi(uint.Parse(spi, CultureInfo.InvariantCulture), IPAddress.Parse(destination)), int.Parse(cpu, CultureInfo.InvariantCulture));
        steering.SetFlowCpus([int.Parse(cpu, CultureInfo.InvariantCulture)]);
        Console.WriteLine(Ready);
        Console.Read();
        return 0;
    }
}
