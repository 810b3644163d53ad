using System.Management.Automation;
using PcpuIpsec.Client;

namespace PcpuIpsec.PowerShell;

/// <summary>
/// What a cmdlet writes has a property Socket, of the daemon that told it: what the pipeline brings to the next cmdlet is asked of
/// and done at that one, and not at the session's.
/// </summary>
internal static class Origin
{
    /// <summary>The value with the socket, and so are those in it that are taken out and piped.</summary>
    public static PSObject Mark(object value, string socket)
    {
        // By identity: where it is wrapped anew, the property is there still.
        PSObject marked = value as PSObject ?? new PSObject(value);
        switch (marked.BaseObject)
        {
            case Tunnel tunnel:
                Mark(tunnel.Definition, socket);
                foreach (ChildSa child in tunnel.ChildSas)
                    Mark(child, socket);
                break;
            case DaemonEvent { ChildSa: { } child }:
                Mark(child, socket);
                break;
        }
        if (marked.Properties[nameof(DaemonCmdlet.Socket)] is null)
            marked.Properties.Add(new PSNoteProperty(nameof(DaemonCmdlet.Socket), socket));
        return marked;
    }
}
