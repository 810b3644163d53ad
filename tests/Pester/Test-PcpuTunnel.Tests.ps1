BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Test-PcpuTunnel' {
    It 'finds a Child SA of its own for each CPU, at both ends' {
        $results = Test-PcpuTunnel lab -Seconds 0.2 -PeerSocket $lab.EastSocket -Socket $lab.WestSocket
        $results | Should -BeOfType PcpuIpsec.PowerShell.TunnelCheckResult
        $results.Outcome | Should -Not -Contain 'Failure'
        ($results | Where-Object { $null -ne $_.Cpu }).Cpu | Should -Be (Get-PcpuDaemon -Socket $lab.WestSocket).Cpus
        $results.PeerPacketsIn | Should -Not -Contain $null
    }

    It 'says what it does and how long it takes still' {
        $shell = [powershell]::Create().AddScript("Import-Module '$root/PcpuIpsec.psd1'; Test-PcpuTunnel lab -Seconds 1.2 -Socket '$($lab.WestSocket)'")
        $shell.Invoke() | Should -Not -BeNullOrEmpty
        $said = @($shell.Streams.Progress | Where-Object { $_.Activity -eq 'Testing tunnels' })
        $shell.Dispose()
        $said[0].StatusDescription | Should -BeLike 'lab: *'
        $said[0].PercentComplete, $said[0].SecondsRemaining | Should -Be 0, 2
        $percents = $said[0..($said.Count - 2)].PercentComplete
        $percents | Should -Be ($percents | Sort-Object)
        $percents[-1] | Should -BeGreaterThan 0
        $said[-1].RecordType | Should -Be 'Completed'
    }

    It 'finds that the peer got what was sent' {
        $ping = [System.Diagnostics.Process]::Start([System.Diagnostics.ProcessStartInfo]::new('ip', [string[]]('netns', 'exec', "$($lab.Id)-west", 'ping', '-q', '-c', '30', '-i', '0.02', '-I', '10.1.0.1', '10.2.0.1')))
        $results = Test-PcpuTunnel lab -Seconds 2 -PeerSocket $lab.EastSocket -Socket $lab.WestSocket
        $ping.WaitForExit(10000) | Should -BeTrue
        ($results | Measure-Object PacketsOut -Sum).Sum | Should -BeGreaterThan 0
        foreach ($result in $results) {
            $result.PeerPacketsIn | Should -BeGreaterOrEqual $result.PacketsOut
        }
    }

    It 'finds a tunnel that is down' {
        $null = Stop-PcpuTunnel lab -Socket $lab.WestSocket
        (Test-PcpuTunnel lab -Seconds 0 -Socket $lab.WestSocket).Outcome | Should -Be 'Failure'
    }
}
