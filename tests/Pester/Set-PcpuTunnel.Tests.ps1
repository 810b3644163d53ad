BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Set-PcpuTunnel' {
    It 'changes what is given and leaves the rest' {
        $tunnel = Set-PcpuTunnel lab -ReplayWindow 256 -Socket $lab.WestSocket
        $tunnel.Changed | Should -BeTrue
        $tunnel.Definition.ReplayWindow | Should -Be 256
        $tunnel.Definition.RemoteSelectors | Should -Be '10.2.0.1/32'
        $tunnel.Definition.PerCpu | Should -Not -BeNullOrEmpty
    }

    It 'changes nothing the second time, and says so' {
        $null = Set-PcpuTunnel lab -ReplayWindow 512 -Socket $lab.WestSocket
        (Set-PcpuTunnel lab -ReplayWindow 512 -Socket $lab.WestSocket).Changed | Should -BeFalse
    }

    It 'keeps the key, and the tunnel comes up again' {
        $null = Set-PcpuTunnel lab -ReplayWindow 1024 -Socket $lab.WestSocket
        (Start-PcpuTunnel lab -Socket $lab.WestSocket).State | Should -Be 'Up'
        Invoke-TestPing $lab | Should -Be 3
    }

    It 'turns per-CPU Child SAs off' {
        (Set-PcpuTunnel lab -PerCpu:$false -Socket $lab.WestSocket).Definition.PerCpu | Should -BeNullOrEmpty
    }

    It 'writes an error for a tunnel that is none' {
        { Set-PcpuTunnel none -ReplayWindow 256 -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }

    It 'does nothing with -WhatIf' {
        $before = (Get-PcpuTunnel lab -Socket $lab.WestSocket).Definition.ReplayWindow
        Set-PcpuTunnel lab -ReplayWindow 2048 -Socket $lab.WestSocket -WhatIf
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).Definition.ReplayWindow | Should -Be $before
    }
}
