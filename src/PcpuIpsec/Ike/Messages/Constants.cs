// The numbers of IANA's "Internet Key Exchange Version 2 (IKEv2) Parameters", in the RFCs' own spelling.
namespace PcpuIpsec.Ike.Messages;

/// <summary>Exchange Type (RFC 7296 §3.1).</summary>
internal enum ExchangeType : byte
{
    IKE_SA_INIT = 34,
    IKE_AUTH = 35,
    CREATE_CHILD_SA = 36,
    INFORMATIONAL = 37,
}

/// <summary>Flags of the IKE header (RFC 7296 §3.1).</summary>
[Flags]
internal enum IkeFlags : byte
{
    None = 0,
    Initiator = 0x08,
    Version = 0x10,
    Response = 0x20,
}

/// <summary>Next Payload (RFC 7296 §3.2).</summary>
internal enum PayloadType : byte
{
    NoNextPayload = 0,
    SA = 33,
    KE = 34,
    IDi = 35,
    IDr = 36,
    CERT = 37,
    CERTREQ = 38,
    AUTH = 39,
    Nonce = 40,
    N = 41,
    D = 42,
    V = 43,
    TSi = 44,
    TSr = 45,
    SK = 46,
    CP = 47,
    EAP = 48,
    SKF = 53,
}

/// <summary>Security Protocol Identifier (RFC 7296 §3.3.1).</summary>
internal enum ProtocolId : byte
{
    None = 0,
    IKE = 1,
    AH = 2,
    ESP = 3,
}

/// <summary>ID Type (RFC 7296 §3.5).</summary>
internal enum IdType : byte
{
    ID_IPV4_ADDR = 1,
    ID_FQDN = 2,
    ID_RFC822_ADDR = 3,
    ID_IPV6_ADDR = 5,
    ID_DER_ASN1_DN = 9,
    ID_DER_ASN1_GN = 10,
    ID_KEY_ID = 11,
}

/// <summary>Auth Method (RFC 7296 §3.8, RFC 7427).</summary>
internal enum AuthMethod : byte
{
    RSA_Digital_Signature = 1,
    Shared_Key_Message_Integrity_Code = 2,
    Digital_Signature = 14,
}

/// <summary>Notify Message Type (RFC 7296 §3.10.1, RFC 9611 §6); below 16384 an error, else a status.</summary>
internal enum NotifyType : ushort
{
    UNSUPPORTED_CRITICAL_PAYLOAD = 1,
    INVALID_IKE_SPI = 4,
    INVALID_MAJOR_VERSION = 5,
    INVALID_SYNTAX = 7,
    INVALID_MESSAGE_ID = 9,
    INVALID_SPI = 11,
    NO_PROPOSAL_CHOSEN = 14,
    INVALID_KE_PAYLOAD = 17,
    AUTHENTICATION_FAILED = 24,
    SINGLE_PAIR_REQUIRED = 34,
    NO_ADDITIONAL_SAS = 35,
    INTERNAL_ADDRESS_FAILURE = 36,
    FAILED_CP_REQUIRED = 37,
    TS_UNACCEPTABLE = 38,
    INVALID_SELECTORS = 39,
    TEMPORARY_FAILURE = 43,
    CHILD_SA_NOT_FOUND = 44,
    TS_MAX_QUEUE = 48,

    INITIAL_CONTACT = 16384,
    SET_WINDOW_SIZE = 16385,
    ADDITIONAL_TS_POSSIBLE = 16386,
    IPCOMP_SUPPORTED = 16387,
    NAT_DETECTION_SOURCE_IP = 16388,
    NAT_DETECTION_DESTINATION_IP = 16389,
    COOKIE = 16390,
    USE_TRANSPORT_MODE = 16391,
    HTTP_CERT_LOOKUP_SUPPORTED = 16392,
    REKEY_SA = 16393,
    ESP_TFC_PADDING_NOT_SUPPORTED = 16394,
    NON_FIRST_FRAGMENTS_ALSO = 16395,
    IKEV2_FRAGMENTATION_SUPPORTED = 16430,
    SIGNATURE_HASH_ALGORITHMS = 16431,
    SA_RESOURCE_INFO = 16444,
}
