using System.Buffers.Binary;
using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Auth;
using PcpuIpsec.Ike.Crypto;
using PcpuIpsec.Ike.Messages;
using PcpuIpsec.Ike.Proposals;

namespace PcpuIpsec.Tests.Ike.Simulation;

/// <summary>
/// A responder in east's place that says what a test has it say: it has the right keys, and with them it can say what no honest
/// peer would. West's datagrams come to it and to nobody else.
/// </summary>
internal sealed class ScriptedResponder
{
    private static readonly TimeSpan _delay = TimeSpan.FromMilliseconds(5);
    private readonly Simulation _simulation;
    private IkeSaKeys? _keys;
    private ulong _iv;
    private byte[] _initRequest = [];
    private byte[] _initResponse = [];
    private byte[] _ni = [];
    private byte[] _nr = [];
    private ulong _spiI;

    public ScriptedResponder(Simulation simulation)
    {
        _simulation = simulation;
        simulation.Filter = (_, sent) =>
        {
            Take(sent.Message.ToArray());
            return false;
        };
    }

    public ulong SpiR { get; } = 0x1122334455667788;

    public IkeIdentity Identity { get; init; } = IkeIdentity.Parse("east");

    /// <summary>Has the last word on every payload of the response to IKE_AUTH.</summary>
    public Func<Payload, Payload> InAuth { get; init; } = p => p;

    /// <summary>More payloads of the response to IKE_AUTH.</summary>
    public IReadOnlyList<Payload> AlsoInAuth { get; init; } = [];

    /// <summary>Has the last word on the exchange type of responses after IKE_AUTH.</summary>
    public Func<ExchangeType, ExchangeType> AnswerAs { get; set; } = e => e;

    /// <summary>West's requests after IKE_AUTH.</summary>
    public List<(IkeHeader Header, IReadOnlyList<Payload> Payloads)> Requests { get; } = [];

    /// <summary>West's responses.</summary>
    public List<(IkeHeader Header, IReadOnlyList<Payload> Payloads, byte[] Message)> Responses { get; } = [];

    public void Ask(uint messageId, ExchangeType exchange, params Payload[] payloads) => Send(exchange, IkeFlags.None, messageId, payloads);

    private void Take(byte[] message)
    {
        Assert.True(IkeHeader.TryParse(message, out IkeHeader header, out _));
        if (header.Exchange == ExchangeType.IKE_SA_INIT)
        {
            AnswerInit(header, message);
            return;
        }

        using PacketCipher cipher = _keys!.CipherOfInitiator();
        Assert.True(IkeMessage.TryOpen(message, header, cipher, out IReadOnlyList<Payload> payloads, out _));
        if (header.IsResponse)
        {
            Responses.Add((header, payloads, message));
        }
        else if (header.Exchange == ExchangeType.IKE_AUTH)
        {
            Send(ExchangeType.IKE_AUTH, IkeFlags.Response, header.MessageId, [.. Authenticate(payloads).Select(InAuth), .. AlsoInAuth]);
        }
        else
        {
            Requests.Add((header, payloads));
            Send(AnswerAs(header.Exchange), IkeFlags.Response, header.MessageId, []);
        }
    }

    private void AnswerInit(IkeHeader header, byte[] message)
    {
        Assert.True(IkeMessage.TryParseClear(message, out _, out IReadOnlyList<Payload> payloads, out _));
        SaPayload offered = payloads.Find<SaPayload>()!;
        KePayload ke = payloads.Find<KePayload>()!;
        SaPayload chosen = new([offered.Proposals[0]]);
        Assert.True(ProposalSelection.TryAccept(chosen.Proposals, offered.Proposals, out ChosenSuite? suite));
        using KeyPair keyPair = KeyExchanges.Generate(ke.Method);
        using Secret shared = keyPair.Derive(ke.Data);
        (_spiI, _initRequest, _ni, _nr) = (header.InitiatorSpi, message, payloads.Find<NoncePayload>()!.Data, new byte[32]);
        _initResponse = IkeMessage.BuildClear(_spiI, SpiR, ExchangeType.IKE_SA_INIT, IkeFlags.Response, 0, [chosen, new KePayload(ke.Method, keyPair.PublicValue.ToArray()), new NoncePayload(_nr)]);
        _keys = IkeSaKeys.Derive(suite, shared.Span, _ni, _nr, _spiI, SpiR);
        Deliver(_initResponse);
    }

    private List<Payload> Authenticate(IReadOnlyList<Payload> request)
    {
        PseudorandomFunction prf = _keys!.Suite.Prf!.Value;
        using Secret psk = Secret.CopyOf("a secret that both know"u8);
        byte[] octets = SignedOctets.Compute(prf, _initResponse, _ni, _keys.SkPr, Identity.ToBody());
        return
        [
            new IdPayload(PayloadType.IDr, Identity),
            new AuthPayload(AuthMethod.Shared_Key_Message_Integrity_Code, PreSharedKey.Compute(prf, psk, octets)),
            new SaPayload([request.Find<SaPayload>()!.Proposals[0] with { Spi = [0x12, 0x34, 0x56, 0x78] }]),
            .. request.OfType<TsPayload>(),
        ];
    }

    private void Send(ExchangeType exchange, IkeFlags flags, uint messageId, IReadOnlyList<Payload> payloads)
    {
        byte[] iv = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(iv, ++_iv);
        using PacketCipher cipher = _keys!.CipherOfResponder();
        Deliver(IkeMessage.BuildProtected(_spiI, SpiR, exchange, flags, messageId, payloads, cipher, iv));
    }

    private void Deliver(byte[] message)
        => _simulation.After(_delay, () => _simulation.West.Process(new DatagramReceived(new IPEndPoint(_simulation.West.Address, 500), new IPEndPoint(_simulation.East.Address, 500), message)));
}
