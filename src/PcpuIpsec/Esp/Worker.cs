using System.Threading.Channels;
using PcpuIpsec.DataPlane;
using PcpuIpsec.Esp.Packets;
using PcpuIpsec.Host;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>What a worker is made of; the descriptors stay their owner's.</summary>
internal sealed record WorkerOptions
{
    public required int Index { get; init; }
    public required int Cpu { get; init; }
    public required int TunQueue { get; init; }

    /// <summary>Whole IP packets go out through these; -1 where the host has no such family.</summary>
    public required int RawIPv4 { get; init; }
    public required int RawIPv6 { get; init; }
    public required uint Mark { get; init; }
    public required WorkerView View { get; init; }
    public required ChannelWriter<DataPlaneEvent> Events { get; init; }
}

/// <summary>
/// One thread on one CPU: takes packets from its TUN queue, protects and sends them; receives ESP, opens it and writes
/// what comes out to its TUN queue. Works by a view that is swapped as a whole; holds no lock and allocates nothing for a packet.
/// </summary>
internal sealed unsafe partial class Worker : IDisposable
{
    private readonly WorkerOptions _options;
    private readonly int _wake;
    private readonly Thread _thread;
    private readonly SendQueue _send = new();
    private readonly ReceiveQueue _receive = new();
    private readonly byte[] _scratch = GC.AllocateUninitializedArray<byte>(SendQueue.BufferLength, pinned: true);
    private readonly long[] _drops = new long[DropCounters.Count];
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile WorkerView _next;
    private WorkerView _view;
    private long _seen;
    private volatile bool _stopping;
    private volatile bool _ended;
    private long _now;

    public Worker(WorkerOptions options)
    {
        _options = options;
        _view = _next = options.View;
        _wake = Libc.Check(Libc.EventFd(0, Libc.EFD_CLOEXEC | Libc.EFD_NONBLOCK), "eventfd");
        _thread = new Thread(Run) { IsBackground = true, Name = $"pcpu-esp-{options.Cpu}" };
    }

    /// <summary>Raised on the worker's thread once it works by another view, or has ended.</summary>
    public event Action? Progressed;

    /// <summary>The version of the view that it works by; older ones it uses no more.</summary>
    public long SeenVersion => _ended ? long.MaxValue : Volatile.Read(ref _seen);

    /// <summary>Drops by <see cref="DropCounters"/>; written by the worker alone.</summary>
    public ReadOnlySpan<long> Drops => _drops;

    /// <summary>Starts the thread in the calling thread's namespace; done once it runs on its CPU.</summary>
    public Task StartAsync()
    {
        _thread.Start();
        return _started.Task;
    }

    /// <summary>Has it work by another view from its next batch on.</summary>
    public void Publish(WorkerView view)
    {
        _next = view;
        Wake();
    }

    public void Dispose()
    {
        _stopping = true;
        if ((_thread.ThreadState & ThreadState.Unstarted) == 0)
        {
            Wake();
            _thread.Join();
        }
        Libc.Close(_wake);
        _send.Dispose();
        _receive.Dispose();
        _scratch.AsSpan().Clear();
    }

    private void Wake()
    {
        ulong one = 1;
        Libc.Write(_wake, &one, sizeof(ulong));
    }

    private void Run()
    {
        try
        {
            HostCpus.PinCurrentThread(_options.Cpu);
            _started.SetResult();
        }
        catch (PcpuIpsecException e)
        {
            _ended = true;
            _started.SetException(e);
            return;
        }
        try
        {
            while (!_stopping)
                RunView();
        }
        catch (Exception e)
        {
            // Nothing carries this CPU's packets now; what was held stays held by its routes.
            _options.Events.TryWrite(new PlaneFailed($"The worker of CPU {_options.Cpu} failed: {e.Message}"));
        }
        finally
        {
            _ended = true;
            Progressed?.Invoke();
        }
    }

    /// <summary>Works by one view until there is another.</summary>
    private void RunView()
    {
        WorkerView view = _next;
        _view = view;
        Volatile.Write(ref _seen, view.Version);
        Progressed?.Invoke();

        const int Fixed = 2;
        int count = Fixed + view.Sockets.Length;
        Libc.PollDescriptor* ready = stackalloc Libc.PollDescriptor[count];
        ready[0] = new Libc.PollDescriptor { Fd = _wake, Events = Libc.POLLIN };
        ready[1] = new Libc.PollDescriptor { Fd = _options.TunQueue, Events = Libc.POLLIN };
        for (int i = 0; i < view.Sockets.Length; i++)
            ready[Fixed + i] = new Libc.PollDescriptor { Fd = view.Sockets[i].Fd, Events = Libc.POLLIN };

        while (ReferenceEquals(view, _next) && !_stopping)
        {
            if (Libc.Poll(ready, (nuint)count, -1) < 0)
            {
                if (Libc.Errno == Libc.EINTR)
                    continue;
                throw Libc.Failure("poll", Libc.Errno);
            }
            _now = Environment.TickCount64;
            if (ready[0].Returned != 0)
            {
                ulong wakes;
                Libc.Read(_wake, &wakes, sizeof(ulong));
            }
            if ((ready[1].Returned & ~Libc.POLLIN) != 0)
                throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "The TUN interface was removed.");
            for (int i = 0; i < view.Sockets.Length; i++)
            {
                if ((ready[Fixed + i].Returned & Libc.POLLNVAL) != 0)
                    throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "A socket of the worker was closed.");
                if (ready[Fixed + i].Returned != 0)
                    ReceiveFrom(view.Sockets[i]);
            }
            if (ready[1].Returned != 0)
                SendFromTun();
        }
    }

    private void Count(EspVerdict verdict) => _drops[(int)verdict]++;

    private void Count(PlaneDrop drop) => _drops[DropCounters.IndexOf(drop)]++;
}
