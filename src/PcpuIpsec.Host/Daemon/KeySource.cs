using PcpuIpsec.Client;
using PcpuIpsec.Gateway;

namespace PcpuIpsec.Host.Daemon;

/// <summary>Where declared tunnels' pre-shared keys come from.</summary>
/// <param name="credentialsFolder">CREDENTIALS_DIRECTORY (systemd.exec(5)); null where systemd gave none.</param>
internal sealed class KeySource(string? credentialsFolder)
{
    public static KeySource OfEnvironment() => new(Environment.GetEnvironmentVariable("CREDENTIALS_DIRECTORY"));

    /// <summary>The key that a declaration names.</summary>
    public Secret Read(TunnelDefinition definition)
    {
        int given = (definition.PreSharedKey is null ? 0 : 1) + (definition.PreSharedKeyFile is null ? 0 : 1) + (definition.PreSharedKeyCredential is null ? 0 : 1);
        if (given != 1)
        {
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption,
                $"preSharedKey, preSharedKeyFile and preSharedKeyCredential: {(given == 0 ? "none is given" : "more than one is given")}; allowed is one of them");
        }
        return definition switch
        {
            // As its file will be read: else the tunnel had another key after a restart.
            { PreSharedKey: { } key } => Secret.CopyOf(PreSharedKeyFile.KeyIn(key.Span)),
            { PreSharedKeyFile: { } file } when !Path.IsPathFullyQualified(file)
                => throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"preSharedKeyFile: '{file}' is relative; allowed is an absolute path"),
            { PreSharedKeyFile: { } file } => PreSharedKeyFile.Read(file, "preSharedKeyFile"),
            _ => PreSharedKeyFile.Read(CredentialFile(definition.PreSharedKeyCredential!), "preSharedKeyCredential"),
        };
    }

    private string CredentialFile(string name)
    {
        if (name.Length == 0 || name.Contains('/') || name is "." or "..")
            throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"preSharedKeyCredential: '{name}' is no name; allowed is that of a credential of the service (LoadCredential=NAME:FILE)");
        return credentialsFolder is null
            ? throw new PcpuIpsecException(PcpuIpsecError.InvalidOption, $"preSharedKeyCredential: '{name}' cannot be had: systemd gave this process no credentials; allowed is preSharedKeyFile")
            : Path.Combine(credentialsFolder, name);
    }
}
