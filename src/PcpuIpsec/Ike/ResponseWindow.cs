namespace PcpuIpsec.Ike;

/// <summary>
/// The peer's requests (RFC 7296 §2.1 to §2.3): each is handled once, its response kept until the peer cannot ask for it
/// any more, and none is taken from beyond the window that we announced.
/// </summary>
internal sealed class ResponseWindow(int size, uint first)
{
    private readonly Dictionary<uint, byte[]?> _answers = [];
    private uint _lowestUnanswered = first;
    private uint _end = first;

    /// <summary>How many requests are being worked on.</summary>
    public int InProgress => _answers.Values.Count(a => a is null);

    /// <summary>How many responses are kept; bounded by twice the window.</summary>
    public int Kept => _answers.Count;

    /// <summary>Says what is to be done with a request.</summary>
    /// <param name="messageId">The request's message id.</param>
    /// <param name="response">The response to send again, where it was answered before.</param>
    public RequestVerdict Receive(uint messageId, out byte[]? response)
    {
        if (_answers.TryGetValue(messageId, out response))
            return response is null ? RequestVerdict.InProgress : RequestVerdict.Answered;
        if (messageId < _lowestUnanswered || messageId - _lowestUnanswered >= (uint)size)
            return RequestVerdict.OutsideWindow;
        _answers.Add(messageId, null);
        if (messageId >= _end)
            _end = messageId + 1;

        // A request with this id says that the peer has every response up to a window before it.
        foreach (uint old in _answers.Where(a => a.Value is not null && a.Key + (ulong)size <= messageId).Select(a => a.Key).ToArray())
            _answers.Remove(old);
        return RequestVerdict.New;
    }

    /// <summary>Keeps the response to a request that was <see cref="RequestVerdict.New"/>.</summary>
    public void Answer(uint messageId, byte[] response)
    {
        _answers[messageId] = response;
        while (_lowestUnanswered < _end && _answers.TryGetValue(_lowestUnanswered, out byte[]? answer) && answer is not null)
            _lowestUnanswered++;
    }
}

/// <summary>What is to be done with a request.</summary>
internal enum RequestVerdict
{
    New,
    InProgress,
    Answered,
    OutsideWindow,
}
