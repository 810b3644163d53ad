using System.Net;
using PcpuIpsec.Ike;
using PcpuIpsec.Ike.Messages;

namespace PcpuIpsec.Tests.Ike;

public class IkeIdentityTests
{
    [Theory]
    [InlineData("192.0.2.1", (byte)IdType.ID_IPV4_ADDR, "c0000201", "192.0.2.1")]
    [InlineData("2001:db8::1", (byte)IdType.ID_IPV6_ADDR, "20010db8000000000000000000000001", "2001:db8::1")]
    [InlineData("east", (byte)IdType.ID_FQDN, "65617374", "east")]
    [InlineData("@east", (byte)IdType.ID_FQDN, "65617374", "east")]
    [InlineData(" gw-1.example.com ", (byte)IdType.ID_FQDN, "67772d312e6578616d706c652e636f6d", "gw-1.example.com")]
    [InlineData("@10.1", (byte)IdType.ID_FQDN, "31302e31", "@10.1")]
    [InlineData("a@b.c", (byte)IdType.ID_RFC822_ADDR, "6140622e63", "a@b.c")]
    [InlineData("keyid:0A0b", (byte)IdType.ID_KEY_ID, "0a0b", "keyid:0a0b")]
    [InlineData("keyid:0x0a0b", (byte)IdType.ID_KEY_ID, "0a0b", "keyid:0a0b")]
    public void Identities_are_read_and_written_back(string text, byte type, string data, string written)
    {
        IkeIdentity identity = IkeIdentity.Parse(text);
        Assert.Equal(((IdType)type, data), (identity.Type, Convert.ToHexStringLower(identity.Data)));
        Assert.Equal(written, identity.ToString());
        Assert.Equal(identity, IkeIdentity.Parse(written));
        Assert.Null(identity.Validate());
    }

    [Theory]
    [InlineData("")]
    [InlineData("@")]
    [InlineData("user@")]
    [InlineData("user@@host")]
    [InlineData("@user@host")]
    [InlineData("two words")]
    [InlineData("10.0.0.300")]
    [InlineData("10.1")]
    [InlineData("2001:db8::g")]
    [InlineData("fe80::1%eth0")]
    [InlineData("10.0.0.0/8")]
    [InlineData("C=CH, CN=east")]
    [InlineData("%any")]
    [InlineData("keyid:")]
    [InlineData("keyid:0")]
    [InlineData("keyid:east")]
    [InlineData("ea\nst")]
    public void What_is_no_identity_is_refused_and_named(string text)
    {
        PcpuIpsecException exception = Assert.Throws<PcpuIpsecException>(() => IkeIdentity.Parse(text));
        Assert.Equal(PcpuIpsecError.InvalidOption, exception.Error);
        Assert.Contains($"'{text}'", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Identities_are_equal_where_type_and_bytes_are()
    {
        IkeIdentity identity = IkeIdentity.Parse("east");
        Assert.Equal(identity.GetHashCode(), IkeIdentity.Parse("@east").GetHashCode());
        Assert.NotEqual(identity, IkeIdentity.Parse("west"));
        Assert.NotEqual(identity, identity with { Type = IdType.ID_KEY_ID });
        Assert.Equal(IkeIdentity.Parse("::1"), IkeIdentity.ForAddress(IPAddress.IPv6Loopback));
    }

    [Theory]
    [InlineData((byte)IdType.ID_IPV4_ADDR, 3)]
    [InlineData((byte)IdType.ID_IPV4_ADDR, 16)]
    [InlineData((byte)IdType.ID_IPV6_ADDR, 4)]
    [InlineData((byte)IdType.ID_FQDN, 0)]
    [InlineData((byte)IdType.ID_RFC822_ADDR, 0)]
    [InlineData((byte)IdType.ID_KEY_ID, 0)]
    [InlineData((byte)IdType.ID_DER_ASN1_DN, 0)]
    public void Data_that_does_not_fit_the_type_is_invalid(byte type, int length)
        => Assert.NotNull(new IkeIdentity((IdType)type, new byte[length]).Validate());

    [Fact]
    public void What_a_peer_calls_itself_cannot_break_a_log_line()
    {
        Assert.Equal("ID_FQDN:610a62", new IkeIdentity(IdType.ID_FQDN, "a\nb"u8.ToArray()).ToString());
        Assert.Equal("ID_IPV4_ADDR:0a", new IkeIdentity(IdType.ID_IPV4_ADDR, [10]).ToString());
        Assert.Equal("77:0a", new IkeIdentity((IdType)77, [10]).ToString());
    }
}
