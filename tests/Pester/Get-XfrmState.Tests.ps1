BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-XfrmState' {
    It 'has the states of the tunnel where the kernel carries it, and never a key' {
        $states = @(Get-XfrmState -Tunnel lab -Socket $lab.WestSocket)
        $expected = (Get-PcpuDaemon -Socket $lab.WestSocket).DataPlane -eq 'kernel' ? 2 * @(Get-PcpuChildSa lab -Socket $lab.WestSocket).Count : 0
        $states.Count | Should -Be $expected
        [PcpuIpsec.Client.XfrmState].GetProperties().Name | Should -Not -Contain 'Key'
    }

    It 'writes an error for a tunnel that is none' {
        { Get-XfrmState none -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
        { Get-XfrmPolicy none -Socket $lab.WestSocket -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
