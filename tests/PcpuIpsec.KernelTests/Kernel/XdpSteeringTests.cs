using System.Net;
using System.Net.Sockets;
using PcpuIpsec.Bpf;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;
using PcpuIpsec.KernelTests.Guest;
using PcpuIpsec.Netlink;
using PcpuIpsec.Steering;

namespace PcpuIpsec.KernelTests.Kernel;

/// <summary>Steering by XDP before the kernel's own ESP: what is decrypted goes on where the SPI was sent to.</summary>
public sealed class XdpSteeringTests
{
    private const int Port = 21000, Count = 500;

    [KernelTheory]
    [InlineData("Native")]
    [InlineData("Generic")]
    public async Task The_packets_of_each_SA_are_decrypted_and_forwarded_on_the_CPU_that_its_SPI_is_set_to(string mode)
    {
        await using KernelLab lab = await KernelLab.CreateAsync();
        IReadOnlyList<int> cpus = HostCpus.Online();
        await ManualSas.InstallAsync(lab, cpus);
        Assert.Equal(Enumerable.Repeat(Count, cpus.Count), await SendAsync(lab, cpus, cpu => cpu));

        using XdpSteering steering = lab.East.Namespace.Run(() => XdpSteering.Attach("black", new XdpSteeringOptions { Mode = Enum.Parse<XdpMode>(mode) }));
        int Next(int cpu) => cpus[(Array.IndexOf([.. cpus], cpu) + 1) % cpus.Count];
        foreach (KernelSa sa in (await KernelLab.SasAsync(lab.East)).Where(s => s.Direction == "in" && s.Cpu is not null))
            steering.Set(SteeringEntry.Spi(sa.Spi, lab.East.Address), Next(sa.Cpu!.Value));
        Assert.Equal(cpus.Count, steering.Entries().Count);
        IReadOnlyDictionary<string, long> errors = XfrmErrors.Read(lab.East);

        int[] arrived = await SendAsync(lab, cpus, Next);

        Assert.All(arrived, count => Assert.InRange(count, Count * 99 / 100, Count));
        Assert.All(cpus, cpu => Assert.Equal((ulong)Count, steering.ReadCounters().Placed[cpu]));
        Assert.Equal(errors, XfrmErrors.Read(lab.East));
        steering.Detach();
        Assert.Equal(Enumerable.Repeat(Count, cpus.Count), await SendAsync(lab, cpus, cpu => cpu));
    }

    /// <summary>Sends from each CPU, whose SA takes it.</summary>
    /// <param name="lab">From sunset to sunrise.</param>
    /// <param name="cpus">The senders.</param>
    /// <param name="wanted">Where sunrise is to get what a CPU sent: the CPU that east decrypted it on.</param>
    /// <returns>For each sender, how many arrived there.</returns>
    private static async Task<int[]> SendAsync(KernelLab lab, IReadOnlyList<int> cpus, Func<int, int> wanted) => await Task.Run(() =>
    {
        int[] arrived = new int[cpus.Count];
        for (int i = 0; i < cpus.Count; i++)
        {
            int cpu = cpus[i], to = wanted(cpu);
            var end = new IPEndPoint(lab.Sunrise.Address, Port + cpu);
            using Socket receiver = lab.Sunrise.Namespace.Run(() => Open(end));
            using Socket sender = lab.Sunset.Namespace.Run(() => Open(new IPEndPoint(lab.Sunset.Address, 0)));
            // Load the CPU (SKF_AD_OFF + SKF_AD_CPU), compare, take all or nothing.
            ClassicBpf.Attach((int)receiver.Handle, Libc.SO_ATTACH_FILTER, [0xffff_f024_0000_0020, 0x15 | (1ul << 24) | ((ulong)to << 32), 0x06 | (0xfffful << 32), 0x06], "one CPU's packets");
            var thread = new Thread(() =>
            {
                HostCpus.PinCurrentThread(cpu);
                for (int n = 0; n < Count; n++)
                {
                    sender.SendTo(new byte[200], end);
                    if (n % 32 == 31)
                        Thread.Sleep(10);
                }
            });
            thread.Start();
            thread.Join();
            byte[] buffer = new byte[2000];
            try
            {
                while (arrived[i] < Count && receiver.Receive(buffer) == 200)
                    arrived[i]++;
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock)
            {
                // The rest came in elsewhere, or was dropped.
            }
        }
        return arrived;
    });

    private static Socket Open(IPEndPoint local)
    {
        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { ReceiveBufferSize = 4 << 20, ReceiveTimeout = 3000 };
        socket.Bind(local);
        return socket;
    }
}
