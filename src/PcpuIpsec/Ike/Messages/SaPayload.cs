using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Ike.Messages;

/*
  Security Association (RFC 7296 §3.3): proposals one behind the other, see ProposalCodec
*/
internal sealed record SaPayload(IReadOnlyList<Proposal> Proposals) : Payload(PayloadType.SA)
{
    internal static SaPayload Parse(ref PayloadReader reader)
    {
        List<Proposal> proposals = [];
        bool more = true;
        while (more && reader.Error is null)
            proposals.Add(ProposalCodec.Read(ref reader, out more));
        SaPayload payload = new(proposals);
        reader.Check(reader.Error is null ? payload.Validate() : null);
        return payload;
    }

    /// <summary>Numbers rise from one proposal to the next (§3.3.1); an answer holds one of any number, so the first may be any but 0.</summary>
    private string? Validate()
    {
        byte previous = 0;
        foreach (Proposal proposal in Proposals)
        {
            if (proposal.Number <= previous)
                return $"proposal number {proposal.Number} behind {previous}";
            previous = proposal.Number;
        }

        return null;
    }

    internal override int BodyLength() => Proposals.Sum(ProposalCodec.Length);

    internal override void WriteBody(ref PayloadWriter writer)
    {
        for (int i = 0; i < Proposals.Count; i++)
            ProposalCodec.Write(ref writer, Proposals[i], more: i < Proposals.Count - 1);
    }
}
