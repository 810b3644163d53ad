BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
    # Its peer never answers.
    $silent = Get-TestTunnel $lab west silent
    $silent.RemoteAddress = '192.0.2.99'
    $silent.RemoteSelector = '10.99.0.0/24'
    $null = New-PcpuTunnel @silent

    # A waiting cmdlet is left alone as soon as it waits, and ended then.
    function Stop-Waiting([string] $command) {
        $shell = [powershell]::Create().AddScript("Import-Module '$root/PcpuIpsec.psd1'; $command")
        $running = $shell.BeginInvoke()
        for ($i = 0; $i -lt 200 -and -not (& $args[0] $shell); $i++) {
            Start-Sleep -Milliseconds 50
        }
        $running.IsCompleted | Should -BeFalse -Because 'it is to wait'
        $took = Measure-Command { $shell.Stop() }
        $shell.InvocationStateInfo.State | Should -Be 'Stopped'
        $shell.Streams.Error | Should -BeNullOrEmpty
        $shell.Dispose()
        $took.TotalSeconds
    }

    # The import has progress of its own.
    $progress = { param($shell) @($shell.Streams.Progress | Where-Object ActivityId -EQ 9611).Count -gt 0 }
    # What a stop must not change.
    function Get-What {
        Get-PcpuTunnel -Socket $lab.WestSocket | ForEach-Object { $_.Name; $_.Definition | ConvertTo-Json -Depth 9 }
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).State
        (Get-PcpuChildSa lab -Socket $lab.WestSocket).OutboundSpi
        (Get-PcpuDaemon -Socket $lab.WestSocket).ProcessId
    }
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Ctrl-C' {
    BeforeEach {
        $before = Get-What
    }
    AfterEach {
        Get-What | Should -Be $before
        Invoke-TestPing $lab | Should -Be 3
    }

    It 'ends the wait of <_>' -ForEach 'Start-PcpuTunnel silent', 'Test-PcpuTunnel lab -Seconds 600' {
        Stop-Waiting "$_ -Socket '$($lab.WestSocket)'" $progress | Should -BeLessThan 2
    }

    It 'ends the wait of Get-PcpuEvent -Follow' {
        Stop-Waiting "'begun' > '$($lab.Folder)/follow'; Get-PcpuEvent -Follow -Kind data-plane-failed -Socket '$($lab.WestSocket)'" { Test-Path "$($lab.Folder)/follow" } | Should -BeLessThan 2
    }

    It 'ends the wait of a New-PcpuTunnel -Start and leaves the tunnel declared and held' {
        $new = "New-PcpuTunnel waiting 192.0.2.1 192.0.2.98 -RemoteSelector 10.98.0.0/24 -PreSharedKey (ConvertTo-SecureString 'a key' -AsPlainText) -Start"
        Stop-Waiting "$new -Socket '$($lab.WestSocket)'" $progress | Should -BeLessThan 2
        (Get-PcpuTunnel waiting -Socket $lab.WestSocket).State | Should -Not -Be 'Up'
        Remove-PcpuTunnel waiting -Socket $lab.WestSocket -Confirm:$false
    }

    # env: whoever runs the tests in the background has SIGINT ignored, and so would all that he starts.
    It 'ends a pwsh that waits in <_>' -ForEach 'Get-PcpuEvent -Follow', 'Start-PcpuTunnel silent', 'Test-PcpuTunnel lab -Seconds 600' {
        $flag = "$($lab.Folder)/$($_ -replace '\W')"
        $start = [System.Diagnostics.ProcessStartInfo]::new('env', [string[]]('--default-signal=INT', 'pwsh', '-NoProfile', '-NonInteractive', '-Command',
                "Import-Module '$root/PcpuIpsec.psd1'; `$null = Get-PcpuDaemon -Socket '$($lab.WestSocket)'; 'begun' > '$flag'; $_ -Socket '$($lab.WestSocket)'; 'went on' > '$flag'"))
        $start.RedirectStandardOutput = $true
        $process = [System.Diagnostics.Process]::Start($start)
        try {
            for ($i = 0; $i -lt 300 -and -not (Test-Path $flag); $i++) {
                Start-Sleep -Milliseconds 100
            }
            Start-Sleep -Milliseconds 500
            $process.HasExited | Should -BeFalse -Because 'it is to wait'
            kill -INT $process.Id
            $process.WaitForExit(5000) | Should -BeTrue
        }
        finally {
            if (-not $process.HasExited) {
                $process.Kill()
            }
        }
        Get-Content $flag | Should -Be 'begun'
    }
}
