BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Start-PcpuTunnel' {
    BeforeAll {
        $east = Get-TestTunnel $lab east
        $west = Get-TestTunnel $lab west
        $null = New-PcpuTunnel @east
        $null = New-PcpuTunnel @west
    }

    It 'does nothing with -WhatIf' {
        Start-PcpuTunnel lab -Socket $lab.WestSocket -WhatIf
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).State | Should -Be 'Down'
    }

    It 'brings up a Child SA for each CPU, and traffic flows' {
        $tunnel = Start-PcpuTunnel lab -AllChildSa -Socket $lab.WestSocket
        $tunnel.Changed | Should -BeTrue
        $tunnel.ChildSas.Count | Should -Be ((Get-PcpuDaemon -Socket $lab.WestSocket).Cpus.Count + 1)
        Invoke-TestPing $lab | Should -Be 3
    }

    It 'leaves one that is up as it is, and says so' {
        (Start-PcpuTunnel lab -Socket $lab.WestSocket).Changed | Should -BeFalse
    }

    It 'says that the key is another' {
        $null = Stop-PcpuTunnel lab -Socket $lab.WestSocket
        $null = Set-PcpuTunnel lab -PreSharedKey (Get-TestKey 'another key') -Socket $lab.WestSocket
        { Start-PcpuTunnel lab -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'AuthenticationFailed,*'
    }
}
