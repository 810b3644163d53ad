using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Bpf;

/// <summary>What kind of map and how large: by which a map is made, and told from another program's.</summary>
/// <param name="Type">BPF_MAP_TYPE_*.</param>
/// <param name="Name">15 characters at most.</param>
/// <param name="KeySize">In bytes.</param>
/// <param name="ValueSize">In bytes; of per-CPU maps for one CPU.</param>
/// <param name="EntriesAtMost">Its capacity.</param>
/// <param name="Flags">BPF_F_* at the creation.</param>
internal readonly record struct BpfMapShape(uint Type, string Name, int KeySize, int ValueSize, int EntriesAtMost, uint Flags = 0);

/// <summary>A map in the kernel. It lives as long as a program uses it or a descriptor is open, whichever is longer.</summary>
internal sealed unsafe class BpfMap : IDisposable
{
    private readonly SafeFileHandle _handle;

    private BpfMap(SafeFileHandle handle, BpfMapShape shape) => (_handle, Shape) = (handle, shape);

    public BpfMapShape Shape { get; }

    /// <summary>For a program's instructions; valid until this is disposed.</summary>
    public int Descriptor => (int)_handle.DangerousGetHandle();

    /// <exception cref="PcpuIpsecException">The kernel refused, for want of a capability or memory, or does not know the type.</exception>
    public static BpfMap Create(BpfMapShape shape)
    {
        var attributes = new Libc.BpfMapCreate
        {
            MapType = shape.Type,
            KeySize = (uint)shape.KeySize,
            ValueSize = (uint)shape.ValueSize,
            EntriesAtMost = (uint)shape.EntriesAtMost,
            Flags = shape.Flags,
        };
        Encoding.ASCII.GetBytes(shape.Name, new Span<byte>(attributes.Name, Libc.BPF_OBJ_NAME_LEN - 1));
        int fd = Libc.Check(Libc.Bpf(Libc.BPF_MAP_CREATE, &attributes, (uint)sizeof(Libc.BpfMapCreate)), $"Cannot make the BPF map {shape.Name} (it needs CAP_BPF and CAP_NET_ADMIN)");
        return new BpfMap(new SafeFileHandle(fd, ownsHandle: true), shape);
    }

    /// <summary>Opens the map of a number.</summary>
    public static BpfMap Open(uint id)
    {
        var byId = new Libc.BpfGetById { Id = id };
        int fd = Libc.Check(Libc.Bpf(Libc.BPF_MAP_GET_FD_BY_ID, &byId, (uint)sizeof(Libc.BpfGetById)), $"Cannot open the BPF map with id {id} (it needs CAP_SYS_ADMIN)");
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        Libc.BpfMapInfo info = default;
        var request = new Libc.BpfGetInfo { Descriptor = fd, InfoLength = (uint)sizeof(Libc.BpfMapInfo), Info = (ulong)&info };
        if (Libc.Bpf(Libc.BPF_OBJ_GET_INFO_BY_FD, &request, (uint)sizeof(Libc.BpfGetInfo)) < 0)
        {
            int errno = Libc.Errno;
            handle.Dispose();
            throw Libc.Failure($"Cannot ask about the BPF map with id {id}", errno);
        }
        string name = BpfProgram.NameOf(new ReadOnlySpan<byte>(info.Name, Libc.BPF_OBJ_NAME_LEN));
        return new BpfMap(handle, new BpfMapShape(info.MapType, name, (int)info.KeySize, (int)info.ValueSize, (int)info.EntriesAtMost, info.Flags));
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>Makes or replaces an entry.</summary>
    public void Update<TKey, TValue>(in TKey key, in TValue value) where TKey : unmanaged where TValue : unmanaged
        => Update(key, MemoryMarshal.AsBytes(new ReadOnlySpan<TValue>(in value)));

    /// <summary>Makes or replaces an entry.</summary>
    public void Update<TKey>(in TKey key, ReadOnlySpan<byte> value) where TKey : unmanaged
    {
        fixed (TKey* k = &key)
        fixed (byte* v = value)
        {
            if (Command(Libc.BPF_MAP_UPDATE_ELEM, k, v) is not 0 and var errno)
                throw Libc.Failure($"Cannot write an entry of the BPF map {Shape.Name} ({Shape.EntriesAtMost} at most)", errno);
        }
    }

    /// <summary>Reads an entry; false where there is none.</summary>
    public bool TryLookup<TKey, TValue>(in TKey key, out TValue value) where TKey : unmanaged where TValue : unmanaged
    {
        value = default;
        return TryLookup(key, MemoryMarshal.AsBytes(new Span<TValue>(ref value)));
    }

    /// <summary>Reads an entry, of per-CPU maps that of each possible CPU; false where there is none.</summary>
    public bool TryLookup<TKey>(in TKey key, Span<byte> value) where TKey : unmanaged
    {
        fixed (TKey* k = &key)
        fixed (byte* v = value)
            return Succeeded(Command(Libc.BPF_MAP_LOOKUP_ELEM, k, v), "read");
    }

    /// <summary>Deletes an entry; false where there was none.</summary>
    public bool Delete<TKey>(in TKey key) where TKey : unmanaged
    {
        fixed (TKey* k = &key)
            return Succeeded(Command(Libc.BPF_MAP_DELETE_ELEM, k, null), "delete");
    }

    /// <summary>The keys of a hash that has one writer, us: it does not change meanwhile.</summary>
    public List<TKey> Keys<TKey>() where TKey : unmanaged
    {
        var keys = new List<TKey>();
        TKey key = default, next;
        while (Succeeded(Command(Libc.BPF_MAP_GET_NEXT_KEY, keys.Count == 0 ? null : &key, &next), "list"))
        {
            keys.Add(next);
            key = next;
        }
        return keys;
    }

    private bool Succeeded(int errno, string verb) => errno switch
    {
        0 => true,
        Libc.ENOENT => false,
        _ => throw Libc.Failure($"Cannot {verb} an entry of the BPF map {Shape.Name}", errno),
    };

    private int Command(int command, void* key, void* value)
    {
        using var held = new HeldHandle(_handle);
        var attributes = new Libc.BpfMapElement { Map = (int)held.Pointer, Key = (ulong)key, Value = (ulong)value };
        return Libc.Bpf(command, &attributes, (uint)sizeof(Libc.BpfMapElement)) >= 0 ? 0 : Libc.Errno;
    }
}
