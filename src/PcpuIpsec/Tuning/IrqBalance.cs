using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;

namespace PcpuIpsec.Tuning;

/// <summary>
/// The IRQs that irqbalance leaves where they are, as numbers with spaces between them: it moves all others as it likes, also
/// back. Told over its socket (irqbalance(1), "SOCKET API"), and forgotten when it ends.
/// </summary>
/// <param name="folder">Where its socket is.</param>
internal sealed partial class IrqBalance(string folder = "/run/irqbalance") : ISetting
{
    public const string SettingKey = "irqbalance/banned";

    // It has one thread, which balances too.
    private const int PatienceMilliseconds = 5000;

    // What one request may be long, with the words before it: later ones of irqbalance's versions cut it there.
    private const int LengthAtMost = 255;

    public string Key => SettingKey;

    /// <summary>Whether one runs.</summary>
    public bool IsRunning => Socket() is not null;

    public string? Read()
    {
        if (Socket() is not { } path)
            return null;
        string setup = Ask(path, "setup", answers: true);
        return Format(BannedIrq().Matches(setup).Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)));
    }

    public void Write(string value)
    {
        if (Socket() is not { } path)
            throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{Key}: irqbalance does not run any more");
        if (value.Length > LengthAtMost)
            throw new PcpuIpsecException(PcpuIpsecError.KernelRefused, $"{Key}: irqbalance takes {LengthAtMost} characters of IRQs at most, and these are {value.Length}; stop irqbalance");
        Ask(path, "settings ban irqs " + (value.Length == 0 ? "NONE" : value), answers: false);
    }

    /// <summary>Numbers in their order.</summary>
    public static string Format(IEnumerable<int> irqs) => string.Join(' ', irqs.Distinct().Order());

    /// <summary>What it has to be told so that it leaves more alone.</summary>
    public static string With(string value, IEnumerable<int> irqs)
        => Format(value.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(n => int.Parse(n, CultureInfo.InvariantCulture)).Concat(irqs));

    private string? Socket()
        => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "irqbalance*.sock").Order(StringComparer.Ordinal).FirstOrDefault(CanConnect) : null;

    /// <summary>One that was killed leaves its socket behind.</summary>
    private static bool CanConnect(string path)
    {
        try
        {
            using Socket socket = Connect(path);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { SendTimeout = PatienceMilliseconds, ReceiveTimeout = PatienceMilliseconds };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private string Ask(string path, string request, bool answers)
    {
        try
        {
            using Socket socket = Connect(path);
            socket.Send(Encoding.ASCII.GetBytes(request));
            var answer = new StringBuilder();
            byte[] buffer = new byte[4096];
            // It closes what it has served, also where it has nothing to say.
            for (int length; (length = socket.Receive(buffer)) > 0;)
                answer.Append(Encoding.ASCII.GetString(buffer, 0, length));
            return answer.Length > 0 || !answers ? answer.ToString() : throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{Key}: irqbalance gives no answer");
        }
        catch (SocketException e)
        {
            throw new PcpuIpsecException(PcpuIpsecError.HostUnable, $"{Key}: irqbalance does not answer at {path}: {e.Message}", e);
        }
    }

    [GeneratedRegex(@"\bIRQ (\d+)\b")]
    private static partial Regex BannedIrq();
}
