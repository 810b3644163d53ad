using System.Diagnostics;
using PcpuIpsec.Gateway;
using PcpuIpsec.Interop;

namespace PcpuIpsec.Tests.Gateway;

public sealed class PreSharedKeyFileTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    private Secret Read(byte[] content, UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite)
    {
        File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.WriteAllBytes(_path, content);
        File.SetUnixFileMode(_path, mode);
        return PreSharedKeyFile.Read(_path, "PreSharedKeyFile");
    }

    [Theory]
    [InlineData("secret", "secret")]
    [InlineData("secret\n", "secret")]
    [InlineData("secret\r\n", "secret")]
    [InlineData("se cret\n\n", "se cret\n")]
    public void One_line_break_at_the_end_is_no_part_of_the_key(string content, string key)
    {
        using Secret secret = Read(System.Text.Encoding.ASCII.GetBytes(content));

        Assert.Equal(key, System.Text.Encoding.ASCII.GetString(secret.Span));
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead, "0640")]
    [InlineData(UnixFileMode.OtherRead, "0604")]
    [InlineData(UnixFileMode.GroupWrite, "0620")]
    [InlineData(UnixFileMode.UserExecute, "0700")]
    public void A_file_that_others_may_touch_is_refused_with_its_mode(UnixFileMode more, string octal)
    {
        var error = Assert.Throws<PcpuIpsecException>(() => Read("secret"u8.ToArray(), UnixFileMode.UserRead | UnixFileMode.UserWrite | more));

        Assert.Equal(PcpuIpsecError.InvalidOption, error.Error);
        Assert.Equal($"PreSharedKeyFile: '{_path}' has mode {octal}; allowed are 0600 and 0400, since others could read the key", error.Message);
    }

    [RootFact]
    public void A_file_of_another_user_is_refused_with_its_owner()
    {
        const uint Somebody = 64_250;
        Libc.Check(Libc.Chown(_path, Somebody, Libc.Unchanged), "chown");

        var error = Assert.Throws<PcpuIpsecException>(() => Read("secret"u8.ToArray()));

        Assert.Equal($"PreSharedKeyFile: '{_path}' belongs to user 64250, who could read and exchange the key; allowed is root (0)", error.Message);
    }

    [Fact]
    public void A_file_of_mode_0400_is_taken()
    {
        using Secret secret = Read("secret"u8.ToArray(), UnixFileMode.UserRead);

        Assert.Equal(6, secret.Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4097)]
    [InlineData(100_000)]
    public void A_key_of_no_or_too_many_bytes_is_refused(int length)
    {
        var error = Assert.Throws<PcpuIpsecException>(() => Read(new byte[length]));

        Assert.Contains(_path, error.Message);
        Assert.Contains("allowed are 1 to 4096 bytes", error.Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        var error = Assert.Throws<PcpuIpsecException>(() => PreSharedKeyFile.Read("/nowhere/psk", "PreSharedKeyFile"));

        Assert.StartsWith("PreSharedKeyFile: '/nowhere/psk' cannot be read", error.Message);
    }

    [Fact]
    public async Task A_pipe_that_nobody_writes_to_is_refused_and_not_waited_for()
    {
        File.Delete(_path);
        using (Process mkfifo = Process.Start("mkfifo", ["-m", "600", _path]))
            await mkfifo.WaitForExitAsync();

        var error = await Assert.ThrowsAsync<PcpuIpsecException>(() => Task.Run(() => PreSharedKeyFile.Read(_path, "PreSharedKeyFile")).WaitAsync(TimeSpan.FromSeconds(10)));

        Assert.StartsWith($"PreSharedKeyFile: '{_path}'", error.Message);
        Assert.Equal(PcpuIpsecError.InvalidOption, error.Error);
    }

    [Fact]
    public void A_folder_is_no_key_file()
    {
        // Its owner's alone.
        string folder = Directory.CreateTempSubdirectory("pcpu-key-").FullName;
        try
        {
            Assert.Equal(PcpuIpsecError.InvalidOption, Assert.Throws<PcpuIpsecException>(() => PreSharedKeyFile.Read(folder, "PreSharedKeyFile")).Error);
        }
        finally
        {
            Directory.Delete(folder);
        }
    }

    [Fact]
    public void The_longest_key_is_taken_with_a_line_break_behind_it()
    {
        using Secret secret = Read([.. new byte[4096], (byte)'\r', (byte)'\n']);

        Assert.Equal(4096, secret.Length);
    }
}
