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

    It 'finds a tunnel that is down' {
        $null = Stop-PcpuTunnel lab -Socket $lab.WestSocket
        (Test-PcpuTunnel lab -Seconds 0 -Socket $lab.WestSocket).Outcome | Should -Be 'Failure'
    }
}
