using System.Security.Cryptography;
using PcpuIpsec.Lab;

namespace PcpuIpsec.Tests.Namespaces;

/// <summary>A fresh namespace for one test.</summary>
internal sealed class TemporaryNamespace : IDisposable
{
    public NetworkNamespace Namespace { get; } = NetworkNamespace.Create("pcpu-test-" + RandomNumberGenerator.GetHexString(8, lowercase: true));

    public void Dispose() => Namespace.Delete();
}
