namespace PcpuIpsec.KernelTests.Peers;

/// <summary>One lab for all tests of a class.</summary>
public abstract class PeerFixture : IAsyncLifetime
{
    private PeerLab? _lab;

    internal PeerLab Lab => _lab ?? throw new InvalidOperationException("The lab is not built yet.");

    /// <summary>For the peer's configuration, control socket and log: gone with the lab.</summary>
    private protected string Folder { get; } = Directory.CreateTempSubdirectory("pcpu-ipsec-peer-").FullName;

    private protected abstract Task<PeerLab> CreateAsync();

    /// <summary>Called at the end with all that the peer logged.</summary>
    private protected virtual void Keep(StrongSwanLog log)
    {
    }

    public async Task InitializeAsync() => _lab = await CreateAsync();

    public async Task DisposeAsync()
    {
        if (_lab is not null)
        {
            Keep(_lab.Peer.Log);
            await _lab.DisposeAsync();
        }
        Directory.Delete(Folder, recursive: true);
    }
}
