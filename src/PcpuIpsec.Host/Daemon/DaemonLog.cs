using Microsoft.Extensions.Logging;

namespace PcpuIpsec.Host.Daemon;

/// <summary>What the daemon logs of itself.</summary>
internal static partial class DaemonLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Listening at {Path} with {Tunnels} tunnels declared in {Folder}")]
    public static partial void Listening(ILogger log, string path, int tunnels, string folder);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Traffic}: held here by {Name} that {Folder} does not declare: of a program that runs, or left by one that ended. To let it go, declare the tunnel again and delete it, or stop this daemon and run pcpu-ipsec release --tunnels {Folder} --tunnel NAME")]
    public static partial void HeldByOther(ILogger log, string traffic, string name, string folder);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Whether tunnels that are not declared hold traffic here could not be found out: {Reason}")]
    public static partial void HoldsUnknown(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Folder}: ignored are {Files}; tunnels are declared in files NAME.json there")]
    public static partial void Ignored(ILogger log, string folder, string files);

    [LoggerMessage(Level = LogLevel.Information, Message = "Read the declared tunnels anew: {Added} added, {Updated} updated, {Removed} removed")]
    public static partial void Reloaded(ILogger log, int added, int updated, int removed);

    [LoggerMessage(Level = LogLevel.Error, Message = "Reading the declared tunnels anew failed: {Reason}")]
    public static partial void ReloadFailed(ILogger log, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Reading the declared tunnels anew failed")]
    public static partial void ReloadFaulted(ILogger log, Exception e);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} {Path} failed")]
    public static partial void RequestFailed(ILogger log, string method, string path, Exception e);

    [LoggerMessage(Level = LogLevel.Critical, Message = "The data plane failed, so the daemon stops; what is held stays held: {Reason}")]
    public static partial void DataPlaneFailed(ILogger log, string reason);

    [LoggerMessage(520, LogLevel.Warning, "The service manager could not be told {State}: {Reason}")]
    public static partial void ManagerNotTold(ILogger log, string state, string reason);
}
