using System.Text;
using PcpuIpsec.Netlink;
using static PcpuIpsec.Tests.Netlink.FakeKernel;

namespace PcpuIpsec.Tests.Netlink;

public class NetlinkSocketTests
{
    private const ushort AnyType = 100;
    private const int Einval = 22, Enobufs = 105, Eagain = 11, Emsgsize = 90;

    private readonly FakeKernel _kernel = new();
    private readonly NetlinkSocket _socket;

    public NetlinkSocketTests() => _socket = new NetlinkSocket(_kernel);

    [Fact]
    public void Requests_are_numbered_and_ask_for_an_acknowledgement()
    {
        Execute();
        Execute();

        Assert.Equal(Hex("10000000 6400 0500 01000000 00000000"), _kernel.Requests[0]);
        Assert.Equal(Hex("10000000 6400 0500 02000000 00000000"), _kernel.Requests[1]);
    }

    [Fact]
    public void An_error_carries_operation_errno_kernel_text_and_offset()
    {
        _kernel.Expect(r => [Ack(r, Einval, [.. Attribute(1, [.. Encoding.UTF8.GetBytes("pCPU number too big."), 0]), .. Attribute(2, 36, 0, 0, 0)])]);

        NetlinkException e = Assert.Throws<NetlinkException>(Execute);

        Assert.Equal(PcpuIpsecError.KernelRefused, e.Error);
        Assert.Equal(("try it", Einval, "pCPU number too big.", 36), (e.Operation, e.Errno, e.KernelText, e.Offset));
        Assert.Equal("try it: Invalid argument (errno 22): pCPU number too big. (attribute at byte 36)", e.Message);
    }

    [Fact]
    public void An_error_without_extended_ack_has_no_text()
    {
        _kernel.Expect(r => [Ack(r, Einval)]);

        NetlinkException e = Assert.Throws<NetlinkException>(Execute);

        Assert.Null(e.KernelText);
        Assert.Null(e.Offset);
        Assert.Equal("try it: Invalid argument (errno 22)", e.Message);
    }

    [Fact]
    public void The_extended_ack_is_found_behind_an_echoed_request()
    {
        byte[] echoedPayload = [1, 2, 3, 4];
        _kernel.Expect(r =>
        {
            byte[] original = [.. r, .. echoedPayload];
            original[0] = (byte)original.Length;
            return [new Answer(Message(r, NetlinkMessageType.Error, NetlinkFlags.AckAttributes,
                [.. BitConverter.GetBytes(-Einval), .. original, .. Attribute(1, [.. "behind"u8, 0])]))];
        });

        Assert.Equal("behind", Assert.Throws<NetlinkException>(Execute).KernelText);
    }

    [Fact]
    public void A_warning_on_success_is_no_error()
    {
        _kernel.Expect(r => [Ack(r, 0, Attribute(1, [.. "deprecated"u8, 0]))]);
        Execute();
    }

    [Fact]
    public void A_failing_send_is_reported_with_its_errno()
    {
        _kernel.SendErrno = Einval;
        Assert.Equal(Einval, Assert.Throws<NetlinkException>(Execute).Errno);
    }

    [Fact]
    public void An_answer_too_large_for_the_buffer_is_an_error_and_not_half_read()
    {
        _kernel.Expect(_ => [new Answer([], Emsgsize)]);
        Assert.Equal(Emsgsize, Assert.Throws<NetlinkException>(Execute).Errno);
    }

    [Fact]
    public void Messages_of_other_requests_are_passed_over()
    {
        byte[] stale = new byte[16];
        stale[8] = 99;
        _kernel.Expect(r => [Ack(stale, Einval), new Answer(Message(new byte[16], AnyType, 0)), Ack(r)]);
        Execute();
    }

    [Fact]
    public void An_overrun_before_the_acknowledgement_is_survived()
    {
        _kernel.Expect(r => [new Answer([], Enobufs), Ack(r)]);
        Execute();
    }

    [Fact]
    public void A_lost_acknowledgement_is_reported_as_an_unknown_outcome()
    {
        _kernel.Expect(_ => [new Answer([], Enobufs)]);

        NetlinkException e = Assert.Throws<NetlinkException>(Execute);

        Assert.Equal(Eagain, e.Errno);
        Assert.Contains("unknown", e.Message);
    }

    [Fact]
    public void Overruns_without_end_end()
    {
        _kernel.Expect(_ => Enumerable.Repeat(new Answer([], Enobufs), 1000));
        Assert.Equal(Enobufs, Assert.Throws<NetlinkException>(Execute).Errno);
    }

    [Fact]
    public void The_socket_works_on_after_an_error()
    {
        _kernel.Expect(r => [Ack(r, Einval)]);

        Assert.Throws<NetlinkException>(Execute);
        Execute();

        Assert.Equal(2, _kernel.Requests.Count);
    }

    [Fact]
    public void A_dump_joins_datagrams_and_messages_until_done()
    {
        _kernel.Expect(r =>
        [
            new Answer([.. Item(r, 1), .. Item(r, 2)]),
            new Answer(Item(r, 3)),
            Done(r),
        ]);

        Assert.Equal(["1", "2", "3"], Dump());
        Assert.Equal(Hex("10000000 6400 0103 01000000 00000000"), _kernel.Requests[0]);
    }

    [Fact]
    public void A_dump_that_changed_under_way_is_asked_for_again()
    {
        _kernel.Expect(r => [new Answer(Item(r, 1, NetlinkFlags.DumpInterrupted)), Done(r)]);
        _kernel.Expect(r => [new Answer(Item(r, 2)), Done(r, NetlinkFlags.Multi | NetlinkFlags.DumpInterrupted)]);
        _kernel.Expect(r => [new Answer(Item(r, 3)), Done(r)]);

        Assert.Equal(["3"], Dump());
        Assert.Equal(3, _kernel.Requests.Count);
    }

    [Fact]
    public void A_dump_that_always_changes_fails_after_eight_attempts()
    {
        for (int i = 0; i < 20; i++)
            _kernel.Expect(r => [Done(r, NetlinkFlags.DumpInterrupted)]);

        Assert.Contains("8 dumps", Assert.Throws<NetlinkException>(Dump).Message);
        Assert.Equal(8, _kernel.Requests.Count);
    }

    [Fact]
    public void A_dump_with_an_overrun_is_asked_for_again_even_where_its_end_was_lost()
    {
        _kernel.Expect(r => [new Answer(Item(r, 1)), new Answer([], Enobufs), Done(r)]);
        _kernel.Expect(r => [new Answer(Item(r, 2)), new Answer([], Enobufs)]);
        _kernel.Expect(r => [new Answer(Item(r, 3)), Done(r)]);

        Assert.Equal(["3"], Dump());
    }

    [Fact]
    public void A_dump_may_end_in_an_error()
    {
        _kernel.Expect(r => [new Answer(Item(r, 1)), new Answer(Message(r, NetlinkMessageType.Done, NetlinkFlags.Multi, BitConverter.GetBytes(-Einval)))]);
        Assert.Equal(Einval, Assert.Throws<NetlinkException>(Dump).Errno);
    }

    [Theory]
    [InlineData(15)] // Shorter than its own header.
    [InlineData(4000)] // Longer than what came.
    public void A_malformed_length_is_one_error(int length)
    {
        _kernel.Expect(r =>
        {
            byte[] message = Item(r, 1);
            BitConverter.TryWriteBytes(message, length);
            return [new Answer(message)];
        });
        Assert.Contains("malformed", Assert.Throws<PcpuIpsecException>(Dump).Message);
    }

    private static byte[] Item(byte[] request, byte value, NetlinkFlags flags = 0)
        => Message(request, AnyType, flags | NetlinkFlags.Multi, value);

    private void Execute()
    {
        using var request = new NetlinkRequest(AnyType, NetlinkFlags.None);
        _socket.Execute("try it", request);
    }

    private List<string> Dump()
    {
        using var request = new NetlinkRequest(AnyType, NetlinkFlags.None);
        return _socket.Dump("list", request, (_, payload) => payload[0].ToString());
    }
}
