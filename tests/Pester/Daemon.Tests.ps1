BeforeDiscovery {
    . "$PSScriptRoot/Lab.ps1"
}

# As packaged: compiled beforehand, which takes less memory than what is compiled as it runs.
if (Test-Path "$root/out/PcpuIpsec/bin/libcoreclr.so") {
    Describe 'The packaged daemon' {
        BeforeAll {
            . "$PSScriptRoot/Lab.ps1"
            $folder = Join-Path ([IO.Path]::GetTempPath()) "pcpu-pester-$PID-hostile"
            New-Item "$folder/tunnels" -ItemType Directory -Force | Out-Null
            $socket = "$folder/socket"
            $namespace = "pcpu-pester-$PID-hostile"
            ip netns add $namespace
            ip -n $namespace link set lo up
            $daemon = Start-Process ip -PassThru -ArgumentList netns, exec, $namespace, "$root/out/PcpuIpsec/bin/pcpu-ipsec", serve, --socket, $socket, --tunnels, "$folder/tunnels", --data-plane, embedded `
                -RedirectStandardOutput "$folder/out" -RedirectStandardError "$folder/err"
            for ($i = 0; $i -lt 200 -and -not (Test-Path $socket); $i++) { Start-Sleep -Milliseconds 100 }

            function Send-Raw([byte[]]$Bytes) {
                $client = [System.Net.Sockets.Socket]::new('Unix', 'Stream', 'Unspecified')
                $answer = [System.IO.MemoryStream]::new()
                $buffer = [byte[]]::new(4096)
                try {
                    $client.ReceiveTimeout = $client.SendTimeout = 20000
                    $client.Connect([System.Net.Sockets.UnixDomainSocketEndPoint]::new($socket))
                    for ($sent = 0; $sent -lt $Bytes.Length) { $sent += $client.Send($Bytes, $sent, $Bytes.Length - $sent, 'None') }
                    while (($length = $client.Receive($buffer)) -gt 0) { $answer.Write($buffer, 0, $length) }
                }
                catch [System.Net.Sockets.SocketException] { $error.RemoveAt(0) } # It may close before all is said.
                finally { $client.Dispose() }
                [System.Text.Encoding]::Latin1.GetString($answer.ToArray())
            }

            function Send-Request([string]$Method, [string]$Path, [string]$Body = '', [string]$Header = '') {
                Send-Raw ([System.Text.Encoding]::UTF8.GetBytes("$Method $Path HTTP/1.1`r`nHost: d`r`nConnection: close`r`nContent-Type: application/json`r`nContent-Length: $([System.Text.Encoding]::UTF8.GetByteCount($Body))`r`n$Header`r`n$Body"))
            }

            # In KB.
            function Get-Memory { [int](Select-String '^VmRSS:\s+(\d+)' "/proc/$($daemon.Id)/status").Matches[0].Groups[1].Value }
        }
        AfterAll {
            if (-not $daemon.HasExited) { kill -TERM $daemon.Id; $daemon.WaitForExit(10000) | Out-Null }
            ip netns del $namespace
            Remove-Item $folder -Recurse -Force
        }

        It 'answers a thousand hostile requests, lives, and has at most 10 MB more memory' {
            $definition = @{ name = 'lab'; localAddress = '127.9.9.1'; remoteAddress = '127.9.9.2'; preSharedKey = 'hostile' }
            Send-Request POST /v1/tunnels ($definition | ConvertTo-Json) | Should -Match '^HTTP/1.1 201 '
            # At work: what is asked for often is compiled anew for that, whoever asks.
            foreach ($path in @('/v1/tunnels', '/v1/tunnels/lab', '/v1/version', '/metrics') * 50) { Send-Request GET $path | Should -Match '^HTTP/1.1 200 ' }
            $random = [Random]::new(9611)
            $garbage = [byte[]]::new(2000)
            $before = Get-Memory

            foreach ($i in 1..125) {
                $random.NextBytes($garbage)
                $end = [byte[]](13, 10, 13, 10)
                $answers = @(
                    Send-Request POST /v1/tunnels ('{' * $random.Next(1, 5000))
                    Send-Request POST /v1/tunnels ('[' * 200000)
                    Send-Request PUT /v1/tunnels/lab (($definition + @{ replayWindow = ('x', -1, @(), 1e99)[$i % 4] }) | ConvertTo-Json)
                    Send-Request DELETE ('/v1/tunnels/none', '/v1/tunnels/%00', '/v1/tunnels/..%2f..', ('/v1/tunnels/' + 'a' * 7000))[$i % 4]
                    Send-Request POST "/v1/tunnels/none/child-sas/$($random.NextInt64())/rekey"
                    Send-Request GET /v1/version -Header ('X: ' + 'y' * 40000 + "`r`n")
                    Send-Request POST /v1/tunnels (($definition + @{ ikeSuites = @('zzzzzzzzz') * 4000 }) | ConvertTo-Json -Compress)
                    Send-Raw ($garbage + $end)
                )
                $answers | ForEach-Object { $_ | Should -Match '^HTTP/1.1 4\d\d ' }
            }

            $daemon.HasExited | Should -BeFalse
            Send-Request GET /v1/tunnels | Should -Match '"name":"lab"'
            Get-Memory | Should -BeLessOrEqual ($before + 10 * 1024)
        }
    }
}
