using System.Security.Cryptography;
using PcpuIpsec.Ike;

namespace PcpuIpsec.Gateway;

/// <summary>The operating system's random numbers.</summary>
internal sealed class SystemRandomSource : IRandomSource
{
    public void Fill(Span<byte> destination) => RandomNumberGenerator.Fill(destination);
}
