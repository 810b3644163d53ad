using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>What the module starts ends with the session, or with the last runspace's module that is removed.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    private static int _imports;

    /// <summary>Called when a runspace imports the module.</summary>
    public void OnImport()
    {
        if (Interlocked.Increment(ref _imports) == 1)
            AppDomain.CurrentDomain.ProcessExit += Close;
    }

    /// <summary>Called when a runspace removes the module. Others may have it still, and work with the same daemon.</summary>
    /// <param name="psModuleInfo">The module.</param>
    public void OnRemove(PSModuleInfo psModuleInfo)
    {
        if (Interlocked.Decrement(ref _imports) > 0)
            return;
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
