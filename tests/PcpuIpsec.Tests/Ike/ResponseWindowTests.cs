using PcpuIpsec.Ike;

namespace PcpuIpsec.Tests.Ike;

/// <summary>RFC 7296 §2.3: what a responder takes, repeats and forgets.</summary>
public class ResponseWindowTests
{
    [Fact]
    public void A_window_of_requests_is_taken_and_none_beyond()
    {
        ResponseWindow window = new(4, 0);
        Assert.Equal(RequestVerdict.OutsideWindow, window.Receive(4, out _));
        Assert.Equal(RequestVerdict.New, window.Receive(3, out _));
        Assert.Equal(RequestVerdict.New, window.Receive(0, out _));
        Assert.Equal(RequestVerdict.InProgress, window.Receive(3, out _));
        window.Answer(3, [3]);
        Assert.Equal(RequestVerdict.OutsideWindow, window.Receive(4, out _));
        window.Answer(0, [0]);
        Assert.Equal(RequestVerdict.New, window.Receive(4, out _));
        Assert.Equal(RequestVerdict.OutsideWindow, window.Receive(5, out _));
    }

    [Fact]
    public void A_response_is_kept_until_the_peer_cannot_ask_for_it_any_more()
    {
        ResponseWindow window = new(2, 0);
        for (uint id = 0; id < 100; id++)
        {
            Assert.Equal(RequestVerdict.New, window.Receive(id, out _));
            window.Answer(id, [(byte)id]);
            for (uint old = id < 1 ? 0 : id - 1; old <= id; old++)
            {
                Assert.Equal(RequestVerdict.Answered, window.Receive(old, out byte[]? response));
                Assert.Equal((byte)old, Assert.Single(response!));
            }

            Assert.InRange(window.Kept, 1, 4);
        }

        Assert.Equal(RequestVerdict.OutsideWindow, window.Receive(90, out _));
    }
}
