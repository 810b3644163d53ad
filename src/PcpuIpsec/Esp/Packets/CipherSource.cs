using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Crypto;

namespace PcpuIpsec.Esp.Packets;

/// <summary>Makes an SA's cipher contexts, one for each worker when it first needs one, from keys of its own.</summary>
internal sealed class CipherSource : IDisposable
{
    private PacketCipher? _spare;

    /// <summary>Copies the keys and makes a first context, so that keys that do not fit are told here and not by a worker.</summary>
    public CipherSource(SaInstallation sa)
    {
        Installation = sa with { EncryptionKey = Secret.CopyOf(sa.EncryptionKey.Span), IntegrityKey = Secret.CopyOf(sa.IntegrityKey.Span) };
        try
        {
            _spare = Make();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The installation with keys that live as long as this object.</summary>
    public SaInstallation Installation { get; }

    /// <summary>The context that the first <see cref="Take"/> will hand out, to ask it for its lengths.</summary>
    public PacketCipher Peek() => _spare ?? throw new InvalidOperationException("The first context was taken.");

    /// <summary>A context for one worker, which disposes it.</summary>
    public PacketCipher Take() => Interlocked.Exchange(ref _spare, null) ?? Make();

    /// <inheritdoc/>
    public void Dispose()
    {
        Interlocked.Exchange(ref _spare, null)?.Dispose();
        Installation.EncryptionKey.Dispose();
        Installation.IntegrityKey.Dispose();
    }

    private PacketCipher Make()
        => PacketCiphers.Create(Installation.Suite.Encryption, Installation.EncryptionKey.Span, Installation.Suite.Integrity, Installation.IntegrityKey.Span);
}
