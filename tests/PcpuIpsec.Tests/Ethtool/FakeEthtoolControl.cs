using System.Runtime.InteropServices;
using PcpuIpsec.Ethtool;

namespace PcpuIpsec.Tests.Ethtool;

/// <summary>A scripted SIOCETHTOOL: keeps what it was given, and writes over it what a script says; without one, "not supported".</summary>
internal sealed class FakeEthtoolControl : IEthtoolControl
{
    private const int Unsupported = 95;

    private readonly Dictionary<uint, Func<byte[], int>> _scripts = [];

    public List<byte[]> Commands { get; } = [];

    public bool IsDisposed { get; private set; }

    /// <summary>What a command does: changes the bytes, and gives an errno.</summary>
    public void On(uint command, Func<byte[], int> script) => _scripts[command] = script;

    public IEnumerable<byte[]> Sent(uint command) => Commands.Where(c => MemoryMarshal.Read<uint>(c) == command);

    public int Control(string link, Span<byte> command)
    {
        byte[] bytes = command.ToArray();
        Commands.Add([.. bytes]);
        int errno = _scripts.TryGetValue(MemoryMarshal.Read<uint>(bytes), out Func<byte[], int>? script) ? script(bytes) : Unsupported;
        bytes.CopyTo(command);
        return errno;
    }

    public void Dispose() => IsDisposed = true;

    public static void U32(byte[] bytes, int at, uint value) => MemoryMarshal.Write(bytes.AsSpan(at), value);

    public static void U64(byte[] bytes, int at, ulong value) => MemoryMarshal.Write(bytes.AsSpan(at), value);

    public static uint U32(byte[] bytes, int at) => MemoryMarshal.Read<uint>(bytes.AsSpan(at));
}
