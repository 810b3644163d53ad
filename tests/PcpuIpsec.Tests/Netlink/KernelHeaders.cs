using System.Diagnostics;

namespace PcpuIpsec.Tests.Netlink;

/// <summary>Asks a C compiler what the kernel's headers say.</summary>
internal static class KernelHeaders
{
    /// <summary>The values of C expressions.</summary>
    public static SortedDictionary<string, long> Ask(IEnumerable<string> includes, IEnumerable<string> expressions)
    {
        string folder = Directory.CreateTempSubdirectory("pcpu-headers-").FullName;
        try
        {
            string source = Path.Combine(folder, "ask.c"), program = Path.Combine(folder, "ask");
            File.WriteAllText(source, $$"""
                #define _GNU_SOURCE
                #include <stddef.h>
                #include <stdio.h>
                {{string.Join('\n', includes.Select(i => $"#include <{i}>"))}}
                int main(void)
                {
                {{string.Join('\n', expressions.Select(e => $"printf(\"%s=%lld\\n\", \"{e}\", (long long)({e}));"))}}
                return 0;
                }
                """);
            Run(CompilerFactAttribute.Compiler!, "-o", program, source);
            var answers = new SortedDictionary<string, long>(StringComparer.Ordinal);
            foreach (string line in Run(program).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                answers.Add(line[..line.LastIndexOf('=')], long.Parse(line[(line.LastIndexOf('=') + 1)..]));
            return answers;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        return output;
    }
}
