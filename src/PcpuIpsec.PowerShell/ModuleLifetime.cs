using System.Management.Automation;
using PcpuIpsec.Client;

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
        try
        {
            DaemonSession.Close();
        }
        catch (DaemonException held)
        {
            // No cmdlet is there to tell it.
            Console.Error.WriteLine(held.Message);
        }
        SessionLabs.RemoveAll();
    }
}
