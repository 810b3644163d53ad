using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using PcpuIpsec.Host;
using PcpuIpsec.Ike.Proposals;
using PcpuIpsec.Lab;
using PcpuIpsec.Xfrm;

namespace PcpuIpsec.Bench;

/// <summary>
/// How fast SAs get into the kernel: one netlink request each by this library, and `ip -batch` with the same SAs. Both wait for
/// each acknowledgement. They take turns, the first of each pair changing, so that what the machine does meanwhile hits both.
/// </summary>
internal static class SaInstall
{
    private const uint FirstSpi = 0x10000;
    private const int KeyLength = 20; // AES-128 and its salt

    private static readonly ChosenSuite _suite = new(EncryptionAlgorithm.ENCR_AES_GCM_16, 128, IntegrityAlgorithm.NONE, null, KeyExchangeMethod.NONE, Esn: false);
    private static readonly IPAddress _source = IPAddress.Parse("192.0.2.1"), _destination = IPAddress.Parse("192.0.2.2");

    public static void Run(int count, int rounds, TextWriter output)
    {
        string name = "pcpu-bench-" + RandomNumberGenerator.GetHexString(8, lowercase: true);
        NetworkNamespace @namespace = NetworkNamespace.Create(name);
        // A key at a time, as an SA has its own: random ones, and never the same twice.
        byte[] keys = RandomNumberGenerator.GetBytes(count * KeyLength);
        string batch = Path.Combine(Directory.CreateTempSubdirectory("pcpu-bench-").FullName, "batch");
        try
        {
            File.WriteAllText(batch, Batch(count, keys));
            using var thread = new NamespaceThread($"/run/netns/{name}");
            using XfrmSocket xfrm = thread.Run(XfrmSocket.Open);

            // One of each untimed: modules are loaded, code is compiled.
            Ours(xfrm, count, keys);
            Check(xfrm, count);
            Theirs(name, batch);
            Check(xfrm, count);

            double[] ours = new double[rounds], theirs = new double[rounds];
            for (int round = 0; round < rounds; round++)
            {
                bool oursFirst = round % 2 == 0;
                for (int turn = 0; turn < 2; turn++)
                {
                    bool isOurs = oursFirst == (turn == 0);
                    TimeSpan time = isOurs ? Ours(xfrm, count, keys) : Theirs(name, batch);
                    Check(xfrm, count);
                    (isOurs ? ours : theirs)[round] = count / time.TotalSeconds;
                }
            }
            Report(output, count, ours, theirs);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(keys);
            Directory.Delete(Path.GetDirectoryName(batch)!, recursive: true);
            @namespace.Delete();
        }
    }

    private static TimeSpan Ours(XfrmSocket xfrm, int count, byte[] keys)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < count; i++)
        {
            var state = new XfrmState
            {
                Source = _source,
                Destination = _destination,
                Spi = FirstSpi + (uint)i,
                Mode = XfrmMode.Tunnel,
                RequestId = 1,
            };
            xfrm.AddState(state, _suite, keys.AsSpan(i * KeyLength, KeyLength), []);
        }
        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>With the program's start, a few milliseconds, as whoever calls it has it.</summary>
    private static TimeSpan Theirs(string name, string batch)
    {
        long start = Stopwatch.GetTimestamp();
        using Process process = Process.Start(new ProcessStartInfo("ip", ["-n", name, "-batch", batch]) { RedirectStandardError = true })!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        return process.ExitCode == 0 ? time : throw new InvalidOperationException($"ip -batch ended with {process.ExitCode}: {errors}");
    }

    /// <summary>All are there, and then none.</summary>
    private static void Check(XfrmSocket xfrm, int count)
    {
        int installed = xfrm.States().Count;
        if (installed != count)
            throw new InvalidOperationException($"{installed} SAs are installed, {count} were to be.");
        xfrm.FlushStates();
    }

    private static string Batch(int count, byte[] keys)
    {
        var text = new StringBuilder();
        for (int i = 0; i < count; i++)
        {
            text.Append(CultureInfo.InvariantCulture, $"xfrm state add src {_source} dst {_destination} proto esp spi 0x{FirstSpi + (uint)i:x} reqid 1 mode tunnel aead rfc4106(gcm(aes)) 0x")
                .Append(Convert.ToHexStringLower(keys, i * KeyLength, KeyLength)).Append(" 128\n");
        }
        return text.ToString();
    }

    private static void Report(TextWriter output, int count, double[] ours, double[] theirs)
    {
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} SAs a round, {ours.Length} rounds in turns, SAs per second"));
        output.WriteLine("round   this library      ip -batch   ratio");
        for (int i = 0; i < ours.Length; i++)
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{i + 1,5} {ours[i],14:F0} {theirs[i],14:F0} {ours[i] / theirs[i],7:F2}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"median {Median(ours),13:F0} {Median(theirs),14:F0} {Median([.. ours.Zip(theirs, (a, b) => a / b)]),7:F2} (of the rounds' ratios)"));
    }

    private static double Median(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
