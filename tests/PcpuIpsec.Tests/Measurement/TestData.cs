namespace PcpuIpsec.Tests.Measurement;

internal static class TestData
{
    public static string Read(string name)
    {
        using Stream stream = typeof(TestData).Assembly.GetManifestResourceStream(name) ?? throw new FileNotFoundException(name);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
