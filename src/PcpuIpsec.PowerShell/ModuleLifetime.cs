using System.Management.Automation;

namespace PcpuIpsec.PowerShell;

/// <summary>What the module starts ends with it.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    /// <summary>Called when the module is imported.</summary>
    public void OnImport() => AppDomain.CurrentDomain.ProcessExit += Close;

    /// <summary>Called when the module is removed.</summary>
    /// <param name="psModuleInfo">The module.</param>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        AppDomain.CurrentDomain.ProcessExit -= Close;
        Close(null, EventArgs.Empty);
    }

    private static void Close(object? sender, EventArgs e)
    {
        DaemonSession.Close();
        SessionLabs.RemoveAll();
    }
}
