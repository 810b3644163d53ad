using System.Runtime.InteropServices;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>
/// Packets of one worker on their way out: each slot has room for the inner packet as the TUN gave it and for the ESP packet
/// made of it, and what sendmmsg(2) needs. One thread uses it. The memory is native and its own.
/// </summary>
internal sealed unsafe class SendQueue : IDisposable
{
    public const int Capacity = 32;

    /// <summary>The longest IP packet, and what protection adds to the longest that is protected.</summary>
    public const int BufferLength = 65536 + 512;

    // Not a power of two, so that the slots' first bytes do not compete for the same cache lines.
    private const int Stride = BufferLength + 320;
    private const int ControlLength = 64;

    private readonly byte* _inner;
    private readonly byte* _outer;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly Libc.IoVector* _vectors;
    private readonly Libc.MultiMessageHeader* _messages;
    private readonly OutboundEntry?[] _entries = new OutboundEntry?[Capacity];
    private readonly int[] _innerLengths = new int[Capacity];

    public SendQueue()
    {
        _inner = Allocate(Capacity * Stride);
        _outer = Allocate(Capacity * Stride);
        _names = Allocate(Capacity * InetSocketAddress.MaximumLength);
        _controls = Allocate(Capacity * ControlLength);
        _vectors = (Libc.IoVector*)Allocate(Capacity * sizeof(Libc.IoVector));
        _messages = (Libc.MultiMessageHeader*)Allocate(Capacity * sizeof(Libc.MultiMessageHeader));
    }

    public int Count { get; private set; }

    /// <summary>The socket that all queued packets go through.</summary>
    public int Socket { get; private set; } = -1;

    /// <summary>Where the next packet's inner one may be read into. The queue must not be full: behind it is foreign memory.</summary>
    public Span<byte> NextInner => Inner(Count);

    /// <summary>Where the next packet's ESP packet may be made.</summary>
    public Span<byte> NextOuter => new(_outer + ((nint)Count * Stride), BufferLength);

    /// <summary>The SA that a queued packet was protected by.</summary>
    public OutboundEntry Entry(int index) => _entries[index]!;

    /// <summary>The inner packet that a queued packet was made of.</summary>
    public Span<byte> InnerPacket(int index) => Inner(index)[.._innerLengths[index]];

    /// <summary>Queues the packet in <see cref="NextOuter"/>. The caller sends before the queue is full and before another socket.</summary>
    public void Add(OutboundEntry entry, int socket, int innerLength, int length, byte trafficClass)
    {
        int i = Count++;
        Socket = socket;
        _entries[i] = entry;
        _innerLengths[i] = innerLength;
        byte* name = _names + (i * InetSocketAddress.MaximumLength);
        entry.Destination.CopyTo(name);
        _vectors[i] = new Libc.IoVector { Base = _outer + ((nint)i * Stride), Length = (nuint)length };
        byte* control = _controls + (i * ControlLength);
        entry.WriteControl(control, trafficClass);
        _messages[i] = new Libc.MultiMessageHeader
        {
            Header = new Libc.MessageHeader
            {
                Name = name,
                NameLength = (uint)entry.Destination.Length,
                Vectors = _vectors + i,
                VectorCount = 1,
                Control = control,
                ControlLength = (nuint)entry.ControlLength,
            },
        };
    }

    /// <summary>Hands packets from one on to the kernel.</summary>
    /// <returns>How many it took, or -1 with errno about the first.</returns>
    public int Send(int from) => Libc.SendMessages(Socket, _messages + from, (uint)(Count - from), Libc.MSG_DONTWAIT);

    /// <summary>Forgets what is queued.</summary>
    public void Clear()
    {
        Array.Clear(_entries, 0, Count);
        Count = 0;
    }

    public void Dispose()
    {
        // Inner packets are plaintext.
        new Span<byte>(_inner, Capacity * Stride).Clear();
        foreach (void* memory in (ReadOnlySpan<nint>)[(nint)_inner, (nint)_outer, (nint)_names, (nint)_controls, (nint)_vectors, (nint)_messages])
            NativeMemory.AlignedFree(memory);
    }

    private Span<byte> Inner(int index) => new(_inner + ((nint)index * Stride), BufferLength);

    private static byte* Allocate(int bytes)
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, 64);
        return (byte*)memory;
    }
}
