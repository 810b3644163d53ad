using System.Diagnostics.CodeAnalysis;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Ike.Proposals;

/// <summary>The choice among proposals (RFC 7296 §2.7, §3.3.6).</summary>
internal static class ProposalSelection
{
    private static readonly Transform _noIntegrity = Keywords.Integ(IntegrityAlgorithm.NONE);
    private static readonly Transform _noKeyExchange = Keywords.Ke(KeyExchangeMethod.NONE);
    private static readonly Transform _noEsn = Keywords.Esn(ExtendedSequenceNumbers.No);

    /// <summary>
    /// The responder's choice: our first suite that any proposal meets, our first transform of each type. Of the key
    /// exchange methods that would do, the one that the peer's KE payload already carries is taken, which saves INVALID_KE_PAYLOAD.
    /// </summary>
    /// <param name="offered">What the peer offers.</param>
    /// <param name="configured">Our suites, the preferred one first.</param>
    /// <param name="protocol">IKE or ESP.</param>
    /// <param name="preferredKe">The method of the peer's KE payload, where it sent one.</param>
    /// <param name="ignoreKeyExchange">True in IKE_AUTH, where a Child SA has no key exchange of its own (§1.2).</param>
    /// <param name="answer">One transform of each type, the number that was offered, no SPI: that is the caller's to set.</param>
    /// <param name="chosen">The same, for those that make keys of it.</param>
    public static bool TrySelect(
        IReadOnlyList<Proposal> offered,
        IReadOnlyList<CipherSuite> configured,
        ProtocolId protocol,
        KeyExchangeMethod? preferredKe,
        bool ignoreKeyExchange,
        [NotNullWhen(true)] out Proposal? answer,
        [NotNullWhen(true)] out ChosenSuite? chosen)
    {
        List<Proposal> candidates = [.. offered.Where(proposal => proposal.Protocol == protocol && IsUnderstood(proposal))];
        answer = null;
        chosen = null;
        foreach (CipherSuite suite in configured)
        {
            foreach (Proposal proposal in candidates)
            {
                if (Match(proposal, suite, preferredKe, ignoreKeyExchange) is not { } match)
                    continue;
                Proposal matched = new(proposal.Number, protocol, [], match);
                if (!TryRead(matched, out ChosenSuite? read))
                    continue;

                bool carried = preferredKe is null || read.KeyExchange == preferredKe;
                if (carried || answer is null)
                    (answer, chosen) = (matched, read);
                if (carried)
                    break;
            }

            if (answer is not null && chosen is not null)
                return true;
        }

        return false;
    }

    /// <summary>The initiator's check: one proposal, one transform of each type, each of which we offered under that number.</summary>
    public static bool TryAccept(IReadOnlyList<Proposal> answered, IReadOnlyList<Proposal> weOffered, [NotNullWhen(true)] out ChosenSuite? chosen)
    {
        chosen = null;
        if (answered is not [var answer])
            return false;
        Proposal? offer = weOffered.FirstOrDefault(proposal => proposal.Number == answer.Number && proposal.Protocol == answer.Protocol);
        return offer is not null
            && answer.Transforms.All(transform => offer.Transforms.Contains(transform) || SaysNothing(transform, offer))
            && Types(offer).All(type => Types(answer).Contains(type) || MayBeLeftOut(type, offer))
            && TryRead(answer, out chosen);
    }

    /// <summary>Our preference among what the proposal offers, one transform a type in the order of the types; null where a type has none in common.</summary>
    private static List<Transform>? Match(Proposal proposal, CipherSuite suite, KeyExchangeMethod? preferredKe, bool ignoreKeyExchange)
    {
        foreach (Transform encryption in suite.Of(TransformType.ENCR).Where(proposal.Transforms.Contains))
        {
            List<Transform> match = [encryption];
            bool aead = ((EncryptionAlgorithm)encryption.Id).IsAead();
            bool all = TryAdd(match, proposal, TransformType.PRF, suite.Of(TransformType.PRF), null)
                && TryAdd(match, proposal, TransformType.INTEG, aead ? [_noIntegrity] : suite.Of(TransformType.INTEG), _noIntegrity)
                && (ignoreKeyExchange || TryAdd(match, proposal, TransformType.KE, KeyExchanges(suite, preferredKe), _noKeyExchange))
                && TryAdd(match, proposal, TransformType.ESN, suite.Of(TransformType.ESN), _noEsn);
            if (all)
                return match;
        }

        return null;
    }

    /// <summary>
    /// Adds the first of ours that is offered. A type that is not offered at all stands for its "none", if it has one, and
    /// stays out of the answer; a type of which we have nothing must not be offered with anything but "none".
    /// </summary>
    private static bool TryAdd(List<Transform> match, Proposal proposal, TransformType type, IEnumerable<Transform> ours, Transform? none)
    {
        List<Transform> wanted = [.. ours];
        if (wanted.Count == 0)
        {
            if (none is null)
                return !Types(proposal).Contains(type);
            wanted.Add(none.Value);
        }

        if (!Types(proposal).Contains(type))
            return none is { } absent && wanted.Contains(absent);

        int index = wanted.FindIndex(proposal.Transforms.Contains);
        if (index >= 0)
            match.Add(wanted[index]);
        return index >= 0;
    }

    private static IEnumerable<Transform> KeyExchanges(CipherSuite suite, KeyExchangeMethod? preferred)
        => suite.Of(TransformType.KE).OrderByDescending(transform => preferred is { } method && transform == Keywords.Ke(method));

    /// <summary>Reads one transform of each type into a suite; false where a type is there twice, missing, or does not go with the others.</summary>
    private static bool TryRead(Proposal proposal, [NotNullWhen(true)] out ChosenSuite? chosen)
    {
        chosen = null;
        if (!IsUnderstood(proposal) || Types(proposal).Count() != proposal.Transforms.Count || Of(proposal, TransformType.ENCR) is not { } encryption)
            return false;

        bool ike = proposal.Protocol == ProtocolId.IKE;
        Transform? prf = Of(proposal, TransformType.PRF);
        Transform? esn = Of(proposal, TransformType.ESN);
        Transform integrity = Of(proposal, TransformType.INTEG) ?? _noIntegrity;
        Transform keyExchange = Of(proposal, TransformType.KE) ?? _noKeyExchange;
        var cipher = (EncryptionAlgorithm)encryption.Id;

        if (cipher.IsAead() != (integrity == _noIntegrity))
            return false;
        if (ike ? prf is null || keyExchange == _noKeyExchange || esn is not null || cipher == EncryptionAlgorithm.ENCR_NULL : prf is not null)
            return false;

        chosen = new ChosenSuite(
            cipher,
            encryption.KeyBits ?? (cipher == EncryptionAlgorithm.ENCR_CHACHA20_POLY1305 ? 256 : 0),
            (IntegrityAlgorithm)integrity.Id,
            prf is { } function ? (PseudorandomFunction)function.Id : null,
            (KeyExchangeMethod)keyExchange.Id,
            (esn ?? _noEsn) != _noEsn);
        return true;
    }

    /// <summary>A proposal with a transform type that we do not know must not be chosen (§3.3.6).</summary>
    private static bool IsUnderstood(Proposal proposal) => Types(proposal).All(Enum.IsDefined);

    /// <summary>An explicit "none" where we offered nothing of the type.</summary>
    private static bool SaysNothing(Transform transform, Proposal offer)
        => (transform == _noIntegrity || transform == _noKeyExchange || transform == _noEsn) && !Types(offer).Contains(transform.Type);

    private static bool MayBeLeftOut(TransformType type, Proposal offer)
        => offer.Transforms.Any(transform => transform.Type == type && (transform == _noIntegrity || transform == _noKeyExchange || transform == _noEsn));

    private static IEnumerable<TransformType> Types(Proposal proposal) => proposal.Transforms.Select(transform => transform.Type).Distinct();

    private static Transform? Of(Proposal proposal, TransformType type)
    {
        foreach (Transform transform in proposal.Transforms)
        {
            if (transform.Type == type)
                return transform;
        }

        return null;
    }
}
