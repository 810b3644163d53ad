using System.Text;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Bpf;
using PcpuIpsec.Interop;
using PcpuIpsec.Netlink;

namespace PcpuIpsec.Esp;

/// <summary>A multi-queue TUN that lives as long as this object: closing its queues removes it, and the routes to it.</summary>
internal sealed unsafe class TunDevice : IDisposable
{
    /// <summary>Packets that wait in one queue (the ring's length) while its worker is busy; the default of 500 loses bursts.</summary>
    private const int QueueLength = 4096;

    private readonly int[] _queues;

    private TunDevice(int[] queues, int index, int mtu)
    {
        _queues = queues;
        Index = index;
        Mtu = mtu;
    }

    /// <summary>The interface's number.</summary>
    public int Index { get; }
    public int Mtu { get; }

    /// <summary>The descriptor of a queue.</summary>
    public int Queue(int worker) => _queues[worker];

    /// <summary>Makes the interface in the calling thread's namespace and sets it up.</summary>
    public static TunDevice Create(EmbeddedOptions options, RouteSocket routes)
    {
        int mtu = options.Mtu ?? DefaultMtu(routes);
        int[] queues = new int[options.Cpus.Count];
        Array.Fill(queues, -1);
        try
        {
            for (int i = 0; i < queues.Length; i++)
                queues[i] = OpenQueue(options.InterfaceName, isFirst: i == 0);
            if (!options.SteerByFlow)
                Steer(queues[0], options.Cpus);
            SetQueueLength(options.InterfaceName);
            Link link = routes.RequireLink(options.InterfaceName);
            routes.SetMtu(link.Index, mtu);
            routes.SetUp(link.Index);
            return new TunDevice(queues, link.Index, mtu);
        }
        catch
        {
            CloseAll(queues);
            throw;
        }
    }

    public void Dispose() => CloseAll(_queues);

    /// <summary>Room for an outer IPv6 header, UDP, ESP with the usual suites, and some; what needs more is fragmented or answered.</summary>
    private static int DefaultMtu(RouteSocket routes)
    {
        int smallest = 65535;
        foreach (Link link in routes.Links())
        {
            if (link.IsUp && !link.Flags.HasFlag(LinkFlags.Loopback))
                smallest = Math.Min(smallest, link.Mtu);
        }
        return smallest == 65535 ? 1400 : Math.Max(1280, smallest - 100);
    }

    private static int OpenQueue(string name, bool isFirst)
    {
        int fd = Libc.Open(HostRequirements.TunPath, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
        Libc.Check(fd, $"Cannot open {HostRequirements.TunPath}");
        Libc.InterfaceRequest request = Named(name);
        // The first queue insists on making the interface: joining another program's would share its packets.
        request.Flags = (short)(Libc.IFF_TUN | Libc.IFF_NO_PI | Libc.IFF_MULTI_QUEUE | (isFirst ? Libc.IFF_TUN_EXCL : 0));
        if (Libc.IoCtl(fd, Libc.TUNSETIFF, &request) < 0)
        {
            int errno = Libc.Errno;
            Libc.Close(fd);
            throw errno == Libc.EBUSY
                ? new PcpuIpsecException(PcpuIpsecError.HostUnable, $"InterfaceName = '{name}': there is such an interface already, perhaps of another gateway; choose another name.")
                : Libc.Failure($"Cannot make the TUN interface {name}", errno);
        }
        return fd;
    }

    private static void Steer(int queue, IReadOnlyList<int> cpus)
    {
        // The interface holds the program on: the descriptor has done its work after the call.
        using SafeFileHandle program = SteeringProgram.Load(cpus);
        using var held = new HeldHandle(program);
        int fd = (int)held.Pointer;
        Libc.Check(Libc.IoCtl(queue, Libc.TUNSETSTEERINGEBPF, &fd), "Cannot steer the TUN interface's packets to the queue of their CPU (TUNSETSTEERINGEBPF)");
    }

    private static void SetQueueLength(string name)
    {
        int socket = Libc.Check(Libc.Socket(Libc.AF_INET, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0), "socket");
        Libc.InterfaceRequest request = Named(name);
        request.Number = QueueLength;
        int result = Libc.IoCtl(socket, Libc.SIOCSIFTXQLEN, &request);
        int errno = Libc.Errno;
        Libc.Close(socket);
        if (result < 0)
            throw Libc.Failure($"Cannot set the queue length of {name}", errno);
    }

    private static Libc.InterfaceRequest Named(string name)
    {
        Libc.InterfaceRequest request = default;
        Encoding.UTF8.GetBytes(name, new Span<byte>(request.Name, 15));
        return request;
    }

    private static void CloseAll(int[] queues)
    {
        foreach (ref int fd in queues.AsSpan())
        {
            if (fd >= 0)
                Libc.Close(fd);
            fd = -1;
        }
    }
}
