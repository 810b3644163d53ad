namespace PcpuIpsec.Tests.Ike.Crypto;

/// <summary>A fact that needs tshark as the independent judge.</summary>
public sealed class TsharkFactAttribute : FactAttribute
{
    public TsharkFactAttribute()
    {
        if (!Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "tshark"))))
            Skip = "tshark is not installed (Debian: tshark)";
    }
}
