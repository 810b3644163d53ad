using System.Buffers.Binary;
using PcpuIpsec.Esp;
using PcpuIpsec.Esp.Packets;

namespace PcpuIpsec.Tests.Esp;

public sealed class FragmentAssemblerTests
{
    [Theory]
    [InlineData(false, 1, 100)]
    [InlineData(false, 3000, 1400)]
    [InlineData(false, 65515, 1400)]
    [InlineData(true, 3000, 1400)]
    [InlineData(true, 65000, 1280)]
    public void Fragments_in_order_give_the_datagram(bool isIPv6, int payload, int mtu)
    {
        byte[] datagram = Datagram(isIPv6, id: 7, payload);
        List<byte[]> fragments = Cut(datagram, id: 7, mtu);
        if (fragments.Count == 1)
            return;
        Assert.Equal(datagram, Feed(new FragmentAssembler(), fragments).Single());
    }

    [Fact]
    public void Datagrams_whose_fragments_interleave_are_told_apart()
    {
        var assembler = new FragmentAssembler();
        byte[][] datagrams = [.. Enumerable.Range(0, 5).Select(i => Datagram(false, (ushort)i, 2000 + i))];
        List<byte[]>[] cut = [.. datagrams.Select((d, i) => Cut(d, (ushort)i, 1000))];
        IEnumerable<byte[]> interleaved = Enumerable.Range(0, 3).SelectMany(n => cut.Where(c => n < c.Count).Select(c => c[n]));
        Assert.Equal(datagrams, Feed(assembler, interleaved));
        Assert.Equal(0, assembler.Lost);
    }

    [Fact]
    public void A_hole_gives_the_datagram_up()
    {
        var assembler = new FragmentAssembler();
        List<byte[]> fragments = Cut(Datagram(false, 1, 4000), 1, 1000);
        Assert.Empty(Feed(assembler, [fragments[0], fragments[2], fragments[3], fragments[4]]));
        Assert.Equal(3, assembler.Lost);
    }

    [Fact]
    public void More_than_an_IP_packet_holds_is_given_up()
    {
        // The last fragment of a datagram of 65,500 bytes, again as its follower.
        List<byte[]> fragments = Cut(Datagram(false, 1, 65_400), 1, 1500);
        byte[] last = fragments[^1];
        BinaryPrimitives.WriteUInt16BigEndian(last.AsSpan(6), (ushort)(0x2000 | BinaryPrimitives.ReadUInt16BigEndian(last.AsSpan(6))));
        byte[] beyond = Cut(Datagram(false, 1, 65_400), 1, 1500)[1];
        int end = ((BinaryPrimitives.ReadUInt16BigEndian(last.AsSpan(6)) & 0x1fff) * 8) + last.Length - 20;
        last = last[..(last.Length - (end % 8))];
        BinaryPrimitives.WriteUInt16BigEndian(last.AsSpan(2), (ushort)last.Length);
        BinaryPrimitives.WriteUInt16BigEndian(beyond.AsSpan(6), (ushort)(end / 8));
        fragments[^1] = last;
        fragments.Add(beyond);
        var assembler = new FragmentAssembler();
        Assert.Empty(Feed(assembler, fragments));
        Assert.Equal(1, assembler.Lost);
    }

    [Fact]
    public void Datagrams_begun_and_never_ended_make_room()
    {
        var assembler = new FragmentAssembler();
        Feed(assembler, Enumerable.Range(0, 100).Select(i => Cut(Datagram(false, (ushort)i, 2000), (ushort)i, 1000)[0]));
        Assert.Equal(100 - 8, assembler.Lost);
        byte[] datagram = Datagram(false, 1000, 2000);
        Assert.Equal([datagram], Feed(assembler, Cut(datagram, 1000, 1000)));
    }

    private static List<byte[]> Feed(FragmentAssembler assembler, IEnumerable<byte[]> fragments)
    {
        List<byte[]> whole = [];
        foreach (byte[] fragment in fragments)
        {
            Assert.True(FlowKey.TryRead(fragment, out FlowKey key));
            if (assembler.TryAdd(fragment, key, out Span<byte> datagram))
                whole.Add(datagram.ToArray());
        }
        return whole;
    }

    private static byte[] Datagram(bool isIPv6, ushort id, int payload)
    {
        byte[] packet = new byte[(isIPv6 ? 40 : 20) + payload];
        new Random(id).NextBytes(packet.AsSpan(isIPv6 ? 40 : 20));
        if (isIPv6)
            IpHeader.WriteIPv6(packet, 0, payload, 17, 1, 2);
        else
            IpHeader.WriteIPv4(packet, 0, packet.Length, id, dontFragment: false, 17, 0x0a000001, 0x0a000002);
        return packet;
    }

    private static List<byte[]> Cut(byte[] datagram, ushort id, int mtu)
    {
        List<byte[]> fragments = [];
        if (datagram[0] >> 4 == 4)
        {
            byte[] buffer = new byte[mtu];
            var fragmenter = new IPv4Fragmenter(datagram, mtu);
            while (fragmenter.TryNext(buffer, out int length))
                fragments.Add(buffer[..length]);
            return fragments;
        }
        int step = (mtu - 48) & ~7;
        for (int offset = 0; offset < datagram.Length - 40; offset += step)
        {
            int length = Math.Min(step, datagram.Length - 40 - offset);
            byte[] fragment = new byte[48 + length];
            IpHeader.WriteIPv6(fragment, 0, 8 + length, 44, 1, 2);
            fragment[40] = 17;
            BinaryPrimitives.WriteUInt16BigEndian(fragment.AsSpan(42), (ushort)(offset | (offset + length < datagram.Length - 40 ? 1 : 0)));
            BinaryPrimitives.WriteUInt32BigEndian(fragment.AsSpan(44), id);
            datagram.AsSpan(40 + offset, length).CopyTo(fragment.AsSpan(48));
            fragments.Add(fragment);
        }
        return fragments;
    }
}
