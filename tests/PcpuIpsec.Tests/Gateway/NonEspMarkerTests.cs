using PcpuIpsec.Gateway;

namespace PcpuIpsec.Tests.Gateway;

public class NonEspMarkerTests
{
    [Theory]
    [InlineData("ff", (int)NonEspMarker.Kind.Keepalive)]
    [InlineData("00", (int)NonEspMarker.Kind.Other)]
    [InlineData("fe", (int)NonEspMarker.Kind.Other)]
    [InlineData("ffff", (int)NonEspMarker.Kind.Other)]
    [InlineData("", (int)NonEspMarker.Kind.Other)]
    [InlineData("00000000", (int)NonEspMarker.Kind.Other)]
    [InlineData("0000000001", (int)NonEspMarker.Kind.Ike)]
    [InlineData("0000000101", (int)NonEspMarker.Kind.Other)]
    [InlineData("0100000001", (int)NonEspMarker.Kind.Other)]
    public void What_shares_the_port_is_told_apart(string datagram, int kind)
        => Assert.Equal((NonEspMarker.Kind)kind, NonEspMarker.Classify(Convert.FromHexString(datagram)));

    [Fact]
    public void The_marker_is_four_zero_bytes_before_the_message()
        => Assert.Equal([0, 0, 0, 0, 7, 8], NonEspMarker.Prepend([7, 8]));
}
