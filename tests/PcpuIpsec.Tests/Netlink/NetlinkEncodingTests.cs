using System.Net;
using PcpuIpsec.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Netlink;

public class NetlinkEncodingTests
{
    [Fact]
    public void Attributes_are_padded_with_zeroes_and_keep_their_true_length()
    {
        using var request = new NetlinkRequest(1, NetlinkFlags.None);
        request.U8(1, 0xaa);
        request.U16(2, 0x1122);
        request.U32(3, 0x11223344);
        request.U64(4, 0x1122334455667788);
        request.String(5, "lo");
        request.Flag(6);
        request.Attribute(7, [1, 2, 3, 4, 5]);
        request.Address(8, IPAddress.Parse("10.1.0.2"));

        Assert.Equal(Hex("""
            54000000 0100 0100 09000000 00000000
            0500 0100 aa000000
            0600 0200 22110000
            0800 0300 44332211
            0c00 0400 8877665544332211
            0700 0500 6c6f0000
            0400 0600
            0900 0700 0102030405000000
            0800 0800 0a010002
            """), request.Finish(9, NetlinkFlags.None).ToArray());
    }

    [Fact]
    public void Nests_hold_what_was_written_between_begin_and_end()
    {
        using var request = new NetlinkRequest(1, NetlinkFlags.None);
        int outer = request.BeginNest(18);
        request.String(1, "veth");
        int inner = request.BeginNest(2, flagged: true);
        request.U8(3, 7);
        request.EndNest(inner);
        request.EndNest(outer);
        request.Flag(9);

        Assert.Equal(Hex("""
            30000000 0100 0100 00000000 00000000
            1c00 1200
              0900 0100 76657468 00000000
              0c00 0280 0500 0300 07000000
            0400 0900
            """), request.Finish(0, NetlinkFlags.None).ToArray());
    }

    [Fact]
    public void A_request_grows_beyond_its_first_buffer_and_keeps_its_bytes()
    {
        using var request = new NetlinkRequest(1, NetlinkFlags.None);
        for (uint i = 0; i < 1000; i++)
            request.U32(1, i);

        ReadOnlySpan<byte> bytes = request.Finish(0, NetlinkFlags.None);
        uint expected = 0;
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes[NetlinkHeader.Size..]))
            Assert.Equal(expected++, attribute.U32);
        Assert.Equal(1000u, expected);
    }

    [Fact]
    public void Encoding_and_decoding_allocate_nothing_per_attribute()
    {
        EncodeAndDecode(); // Warms the pool and the compiler.
        long before = GC.GetAllocatedBytesForCurrentThread();
        EncodeAndDecode();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        static void EncodeAndDecode()
        {
            using var request = new NetlinkRequest(1, NetlinkFlags.None);
            for (uint i = 0; i < 50; i++)
                request.U32(1, i);
            uint sum = 0;
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(request.Finish(0, NetlinkFlags.None)[NetlinkHeader.Size..]))
                sum += attribute.U32;
            if (sum != 1225)
                throw new InvalidOperationException($"sum {sum}");
        }
    }

    [Fact]
    public void What_is_encoded_decodes_to_the_same_whatever_the_attributes()
    {
        var random = new Random(42);
        for (int round = 0; round < 500; round++)
        {
            var written = new List<(ushort Type, byte[] Payload)>();
            using var request = new NetlinkRequest(1, NetlinkFlags.None);
            for (int i = random.Next(20); i > 0; i--)
            {
                byte[] payload = new byte[random.Next(40)];
                random.NextBytes(payload);
                ushort type = (ushort)random.Next(0x4000);
                written.Add((type, payload));
                request.Attribute(type, payload);
            }
            int index = 0;
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(request.Finish(0, NetlinkFlags.None)[NetlinkHeader.Size..]))
            {
                Assert.Equal(written[index].Type, attribute.Type);
                Assert.Equal(written[index++].Payload, attribute.Payload.ToArray());
            }
            Assert.Equal(written.Count, index);
        }
    }

    [Fact]
    public void The_flags_of_an_attributes_type_are_not_part_of_it()
        => Assert.Equal(2, First([.. Attribute(0x8002, 1)]));

    [Theory]
    [InlineData("0300 0100")] // Shorter than its header.
    [InlineData("0900 0100 00000000")] // Longer than what is left.
    public void Malformed_attributes_fail_in_the_one_way(string hex)
        => Assert.Contains("malformed", Assert.Throws<PcpuIpsecException>(() => First(Hex(hex))).Message);

    [Fact]
    public void A_value_shorter_than_its_type_fails_in_the_one_way()
        => Assert.Throws<PcpuIpsecException>(() =>
        {
            foreach (NetlinkAttribute attribute in new NetlinkAttributes(Attribute(1, 1, 2)))
                _ = attribute.U32;
        });

    [Fact]
    public void Random_bytes_never_read_out_of_bounds()
    {
        var random = new Random(7);
        for (int round = 0; round < 5000; round++)
        {
            byte[] bytes = new byte[random.Next(32)];
            random.NextBytes(bytes);
            if (bytes.Length > 1)
                bytes[1] = 0; // A length that has a chance of being right.
            try
            {
                foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes))
                    Assert.True(attribute.Payload.Length <= bytes.Length - 4);
            }
            catch (PcpuIpsecException e)
            {
                Assert.Equal(PcpuIpsecError.KernelRefused, e.Error);
            }
        }
    }

    private static int First(byte[] bytes)
    {
        foreach (NetlinkAttribute attribute in new NetlinkAttributes(bytes))
            return attribute.Type;
        return -1;
    }
}
