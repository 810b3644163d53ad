using System.Text.Json;

namespace PcpuIpsec.Tests;

public class SecretTests
{
    [Fact]
    public void A_secret_neither_prints_nor_serializes_its_bytes()
    {
        using Secret secret = Secret.CopyOf("hunter2"u8);
        Assert.Equal("[redacted]", $"{secret}");
        Assert.Equal("{}", JsonSerializer.Serialize(secret));
    }

    [Fact]
    public void Disposing_zeroes_the_bytes_and_takes_them_away()
    {
        Secret secret = Secret.Create(4, out Span<byte> bytes);
        bytes.Fill(0xaa);
        Assert.Equal(4, secret.Length);
        secret.Dispose();
        secret.Dispose();
        Assert.Equal(new byte[4], bytes.ToArray());
        Assert.Equal(0, secret.Length);
        Assert.Throws<ObjectDisposedException>(() => secret.Span.Length);
    }

    [Fact]
    public void Copies_and_slices_are_independent_of_where_they_came_from()
    {
        byte[] source = [1, 2, 3, 4];
        using Secret secret = Secret.CopyOf(source);
        source[1] = 9;
        Secret slice = secret.Slice(1, 2);
        Assert.Equal([2, 3], slice.Span.ToArray());
        slice.Dispose();
        Assert.Equal([1, 2, 3, 4], secret.Span.ToArray());
    }

    [Fact]
    public void Comparison_sees_every_byte_and_the_length()
    {
        using Secret secret = Secret.CopyOf([1, 2, 3]);
        Assert.True(secret.FixedTimeEquals([1, 2, 3]));
        Assert.False(secret.FixedTimeEquals([1, 2, 4]));
        Assert.False(secret.FixedTimeEquals([0, 2, 3]));
        Assert.False(secret.FixedTimeEquals([1, 2]));
        Assert.False(secret.FixedTimeEquals([1, 2, 3, 0]));
    }
}
