BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Stop-PcpuTunnel' {
    It 'does nothing with -WhatIf' {
        Stop-PcpuTunnel lab -Socket $lab.WestSocket -WhatIf
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).State | Should -Be 'Up'
    }

    It 'deletes the SAs and says so once' {
        $tunnel = Stop-PcpuTunnel lab -Socket $lab.WestSocket
        $tunnel.State | Should -Be 'Down'
        $tunnel.Changed | Should -BeTrue
        (Stop-PcpuTunnel lab -Socket $lab.WestSocket).Changed | Should -BeFalse
    }
}
