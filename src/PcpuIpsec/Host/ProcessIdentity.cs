using System.Globalization;

namespace PcpuIpsec.Host;

/// <summary>One process for good: its number alone may be another's tomorrow.</summary>
/// <param name="Pid">The process's number.</param>
/// <param name="StartTime">Clock ticks from boot to its start (proc(5), field 22 of stat).</param>
internal sealed record ProcessIdentity(int Pid, long StartTime)
{
    public static ProcessIdentity Current { get; } = Of(Environment.ProcessId)
        ?? throw new PcpuIpsecException(PcpuIpsecError.HostUnable, "/proc/self/stat cannot be read; is /proc mounted?");

    /// <summary>True while the very process lives; one that only waits to be reaped does not.</summary>
    public bool IsAlive => Of(Pid) == this;

    /// <summary>The identity of a running process, or null.</summary>
    public static ProcessIdentity? Of(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
        // pid (comm) state ppid …; comm may hold spaces and parentheses, so from its last one on.
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        const int State = 0, StartTimeField = 19;
        return fields[State] is "Z" or "X" ? null : new ProcessIdentity(pid, long.Parse(fields[StartTimeField], CultureInfo.InvariantCulture));
    }
}
