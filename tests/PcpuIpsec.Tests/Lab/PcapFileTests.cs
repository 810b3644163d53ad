using PcpuIpsec.Lab;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Lab;

public sealed class PcapFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000", "01000000 40420f00 02000000 3c000000 aabb")] // Little-endian, µs.
    [InlineData("a1b2c3d4 0002 0004 00000000 00000000 0000ffff 00000001", "00000001 000f4240 00000002 0000003c aabb")] // Big-endian, µs.
    [InlineData("4d3cb2a1 0200 0400 00000000 00000000 ffff0000 01000000", "01000000 00ca9a3b 02000000 3c000000 aabb")] // Little-endian, ns.
    public void Both_byte_orders_and_resolutions_are_read(string header, string record)
    {
        File.WriteAllBytes(_path, Hex(header + record + record));

        List<PcapPacket> packets = PcapFile.Read(_path);

        Assert.Equal(2, packets.Count);
        Assert.All(packets, p =>
        {
            Assert.Equal(DateTimeOffset.UnixEpoch.AddSeconds(2), p.Time);
            Assert.Equal(60, p.OriginalLength);
            Assert.Equal([0xaa, 0xbb], p.Bytes.ToArray());
        });
    }

    [Theory]
    [InlineData("d4c3b2a1", "its header alone")]
    [InlineData("00000000 0200 0400 00000000 00000000 ffff0000 01000000", "begins with 0x00000000")]
    [InlineData("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000 00", "within the record header at byte 24")]
    [InlineData("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000 01000000 00000000 03000000 3c000000 aabb", "the packet at byte 24 says that it has 3 bytes")]
    [InlineData("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000 01000000 00000000 ffffffff 3c000000 aabb", "4294967295 bytes")]
    public void A_file_that_is_none_or_cut_is_named_with_the_place(string hex, string reason)
    {
        File.WriteAllBytes(_path, Hex(hex));

        PcpuIpsecException e = Assert.Throws<PcpuIpsecException>(() => PcapFile.Read(_path));

        Assert.Contains(_path, e.Message);
        Assert.Contains(reason, e.Message);
    }
}
