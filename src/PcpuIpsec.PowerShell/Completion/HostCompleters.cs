using System.Collections;

namespace PcpuIpsec.PowerShell.Completion;

/// <summary>XFRM interfaces of this host.</summary>
internal sealed class XfrmInterfaceCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => ThisHost.XfrmInterfaces(ThisHost.Interfaces).Select(n => new Candidate(n));
}

/// <summary>Interfaces of this host that have queues.</summary>
internal sealed class NicCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound) => ThisHost.Nics(ThisHost.Interfaces).Select(n => new Candidate(n));
}

/// <summary>Addresses of this host that a tunnel can begin at.</summary>
internal sealed class AddressCompleter : Completer
{
    protected override IEnumerable<Candidate> Candidates(string parameter, IDictionary bound)
        => ThisHost.Addresses().Select(a => new Candidate(a.Address.ToString(), $"{a.Address} of {a.Interface}"));
}
