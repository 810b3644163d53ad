using System.Security.Cryptography;

namespace PcpuIpsec.Ike.Crypto;

/// <summary>The operating system's generator.</summary>
internal sealed class SystemRandom : IRandomSource
{
    /// <inheritdoc/>
    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
