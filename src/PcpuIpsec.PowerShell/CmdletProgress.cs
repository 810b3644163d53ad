using System.Management.Automation;

namespace PcpuIpsec.PowerShell;

/// <summary>What a cmdlet says while it waits. Each is a record of its own: hosts keep them.</summary>
internal static class CmdletProgress
{
    // Scripts number their own from 0.
    private const int Id = 9611;

    // Where the percentage or the time is not known.
    private const int Unknown = -1;

    public static void Say(this Cmdlet cmdlet, string activity, string status, int percent = Unknown, int secondsLeft = Unknown)
        => cmdlet.WriteProgress(new ProgressRecord(Id, activity, status) { PercentComplete = percent, SecondsRemaining = secondsLeft });

    public static void SayDone(this Cmdlet cmdlet, string activity) => cmdlet.WriteProgress(new ProgressRecord(Id, activity, "done") { RecordType = ProgressRecordType.Completed });
}
