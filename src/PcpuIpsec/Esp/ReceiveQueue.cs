using System.Runtime.InteropServices;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Esp;

/// <summary>What one recvmmsg(2) brings a worker: packets, where each is from and its traffic class. One thread uses it.</summary>
internal sealed unsafe class ReceiveQueue : IDisposable
{
    public const int Capacity = 32;
    private const int BufferLength = 65536;
    private const int Stride = BufferLength + 320;
    private const int ControlLength = 64;

    private readonly byte* _buffers;
    private readonly byte* _names;
    private readonly byte* _controls;
    private readonly Libc.IoVector* _vectors;
    private readonly Libc.MultiMessageHeader* _messages;

    public ReceiveQueue()
    {
        _buffers = Allocate(Capacity * Stride);
        _names = Allocate(Capacity * InetSocketAddress.MaximumLength);
        _controls = Allocate(Capacity * ControlLength);
        _vectors = (Libc.IoVector*)Allocate(Capacity * sizeof(Libc.IoVector));
        _messages = (Libc.MultiMessageHeader*)Allocate(Capacity * sizeof(Libc.MultiMessageHeader));
        for (int i = 0; i < Capacity; i++)
        {
            _vectors[i] = new Libc.IoVector { Base = _buffers + ((nint)i * Stride), Length = BufferLength };
            _messages[i].Header = new Libc.MessageHeader
            {
                Name = _names + (i * InetSocketAddress.MaximumLength),
                Vectors = _vectors + i,
                VectorCount = 1,
                Control = _controls + (i * ControlLength),
            };
        }
    }

    /// <summary>Takes what waits in a socket.</summary>
    /// <returns>How many packets, or -1 with errno.</returns>
    public int Receive(int socket)
    {
        for (int i = 0; i < Capacity; i++)
        {
            // The kernel wrote over the lengths.
            _messages[i].Header.NameLength = InetSocketAddress.MaximumLength;
            _messages[i].Header.ControlLength = ControlLength;
        }
        return Libc.ReceiveMessages(socket, _messages, Capacity, Libc.MSG_DONTWAIT, null);
    }

    public Span<byte> Packet(int index) => new(_buffers + ((nint)index * Stride), (int)_messages[index].Length);

    /// <summary>The sender's sockaddr.</summary>
    public byte* Name(int index) => _names + (index * InetSocketAddress.MaximumLength);

    /// <summary>DSCP and ECN of the IP header, from the control message.</summary>
    public byte TrafficClass(int index)
    {
        if (_messages[index].Header.ControlLength < (nuint)sizeof(Libc.ControlHeader) + 1)
            return 0;
        byte* control = _controls + (index * ControlLength);
        var header = (Libc.ControlHeader*)control;
        // One byte for IPv4, an int for IPv6; the option that asks for it is the only one set.
        return (header->Level, header->Type) switch
        {
            (Libc.IPPROTO_IP, Libc.IP_TOS) => control[sizeof(Libc.ControlHeader)],
            (Libc.IPPROTO_IPV6, Libc.IPV6_TCLASS) => (byte)*(int*)(control + sizeof(Libc.ControlHeader)),
            _ => 0,
        };
    }

    public void Dispose()
    {
        // Packets are decrypted in place, so there is plaintext here.
        new Span<byte>(_buffers, Capacity * Stride).Clear();
        foreach (void* memory in (ReadOnlySpan<nint>)[(nint)_buffers, (nint)_names, (nint)_controls, (nint)_vectors, (nint)_messages])
            NativeMemory.AlignedFree(memory);
    }

    private static byte* Allocate(int bytes)
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)bytes, 64);
        return (byte*)memory;
    }
}
