using PcpuIpsec.Tuning;

namespace PcpuIpsec.Tests.Tuning;

public class NicIrqsTests
{
    [Theory]
    [InlineData("virtio1-input.3", IrqUse.Rx, 3)]
    [InlineData("virtio1-output.0", IrqUse.Tx, 0)]
    [InlineData("virtio1-config", IrqUse.Other, null)]
    [InlineData("enp1s0-TxRx-7", IrqUse.Rx | IrqUse.Tx, 7)]
    [InlineData("enp1s0-rx-0", IrqUse.Rx, 0)]
    [InlineData("enp1s0-tx-0", IrqUse.Tx, 0)]
    [InlineData("enp1s0-rxtx-2", IrqUse.Rx | IrqUse.Tx, 2)]
    [InlineData("enp1s0-event-8", IrqUse.Other, null)]
    [InlineData("enp1s0", IrqUse.Other, null)]
    [InlineData("mlx5_comp11@pci:0000:01:00.0", IrqUse.Rx | IrqUse.Tx, 11)]
    [InlineData("mlx5_async0@pci:0000:01:00.0", IrqUse.Other, null)]
    [InlineData("ena-mgmnt@pci:0000:00:05.0", IrqUse.Other, null)]
    [InlineData("eth0-Tx-Rx-2", IrqUse.Rx | IrqUse.Tx, 2)]
    [InlineData("i40e-eth0-TxRx-12", IrqUse.Rx | IrqUse.Tx, 12)]
    [InlineData("iavf-0000:00:06.0:mbx", IrqUse.Other, null)]
    public void What_drivers_call_them_tells_the_queue(string action, object use, int? queue)
        => Assert.Equal(new NicIrq(30, action, (IrqUse)use, queue), NicIrqs.Read(30, action, "enp1s0"));

    [Fact]
    public void They_are_those_of_the_device_and_of_virtios_parent()
    {
        using var host = new FakeHost();
        host.AddNic("eth0", isVirtio: true, (24, "virtio0-config"), (25, "virtio0-input.0"), (26, "virtio0-output.0"), (27, ""));
        host.AddNic("eth1", isVirtio: false, (30, "eth1-TxRx-0"), (100, "eth1-TxRx-1"));
        Assert.Equal([24, 25, 26], NicIrqs.Of(host.Files, "eth0").Select(i => i.Number));
        Assert.Equal([(30, 0), (100, 1)], NicIrqs.Of(host.Files, "eth1").Select(i => (i.Number, i.Queue!.Value)));
        Assert.Empty(NicIrqs.Of(host.Files, "veth0"));
    }

    [Fact]
    public void One_that_is_alone_serves_all()
    {
        using var host = new FakeHost();
        host.AddNic("eth0", isVirtio: false, (10, "eth0"));
        Assert.Equal(new NicIrq(10, "eth0", IrqUse.Rx | IrqUse.Tx, 0), Assert.Single(NicIrqs.Of(host.Files, "eth0")));
    }
}
