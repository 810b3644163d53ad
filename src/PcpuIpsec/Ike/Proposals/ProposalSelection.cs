using System.Diagnostics.CodeAnalysis;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>The choice among proposals (RFC 7296 §2.7, §3.3.6).</summary>
internal static class ProposalSelection
{
    public static bool TrySelect(
        IReadOnlyList<Proposal> offered,
        IReadOnlyList<CipherSuite> configured,
        ProtocolId protocol,
        KeyExchangeMethod? preferredKe,
        bool ignoreKeyExchange,
        [NotNullWhen(true)] out Proposal? answer,
        [NotNullWhen(true)] out ChosenSuite? chosen)
        => throw new NotSupportedException();

    public static bool TryAccept(IReadOnlyList<Proposal> answered, IReadOnlyList<Proposal> weOffered, [NotNullWhen(true)] out ChosenSuite? chosen)
        => throw new NotSupportedException();
}
