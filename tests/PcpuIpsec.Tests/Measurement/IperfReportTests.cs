using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

public class IperfReportTests
{
    [Fact]
    public void A_tcp_flow_is_read_from_both_ends()
    {
        IperfReport report = IperfReport.Parse(TestData.Read("iperf3-client-tcp.json"), TestData.Read("iperf3-server-tcp.json"));

        Assert.Equal(TrafficProtocol.Tcp, report.Protocol);
        Assert.Equal(("127.0.0.1", 40001, "127.0.0.1", 5201), (report.Source, report.SourcePort, report.Destination, report.DestinationPort));
        Assert.Equal(4109107200, report.Bytes);
        Assert.Equal(2.000487, report.Seconds, 6);
        Assert.Equal(16432.427504, report.MegabitsPerSecond, 3);
        Assert.Equal(12, report.Retransmits);
        Assert.Null(report.PacketsSent);
        Assert.Null(report.PacketsLost);
        Assert.Equal([14199.531, 18669.633], report.IntervalsMegabitsPerSecond);
    }

    [Fact]
    public void A_udp_flow_has_the_servers_loss_and_not_the_clients_bytes()
    {
        IperfReport report = IperfReport.Parse(TestData.Read("iperf3-client-udp.json"), TestData.Read("iperf3-server-udp.json"));

        Assert.Equal(TrafficProtocol.Udp, report.Protocol);
        Assert.Equal(593214384, report.Bytes);
        Assert.Equal(437760, report.PacketsSent);
        Assert.Equal(5388, report.PacketsLost);
        Assert.Equal(0, report.PacketsReordered);
        Assert.Null(report.Retransmits);
    }

    [Fact]
    public void An_error_of_iperf3_is_passed_on()
    {
        var e = Assert.Throws<PcpuIpsecException>(() => IperfReport.Parse(TestData.Read("iperf3-client-err.json"), TestData.Read("iperf3-server-tcp.json")));

        Assert.Equal("The iperf3 client failed: unable to connect to server: Connection refused.", e.Message);
    }

    [Theory]
    [InlineData("", "wrote nothing instead")]
    [InlineData("iperf3: unrecognized option", "wrote 'iperf3: unrecognized option' instead")]
    public void What_is_no_json_is_named(string output, string expected)
        => Assert.Contains(expected, Assert.Throws<PcpuIpsecException>(() => IperfReport.Parse(TestData.Read("iperf3-client-tcp.json"), output)).Message);

    [Theory]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("""{"start":{"connected":[]},"end":{}}""")]
    public void A_report_of_another_shape_is_refused(string client)
        => Assert.Contains("lacks a field", Assert.Throws<PcpuIpsecException>(() => IperfReport.Parse(client, TestData.Read("iperf3-server-tcp.json"))).Message);
}
