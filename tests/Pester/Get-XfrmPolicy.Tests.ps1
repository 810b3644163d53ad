BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-XfrmPolicy' {
    It 'has policies of other programs, too' {
        ip -n "$($lab.Id)-west" xfrm policy add src 10.9.0.0/24 dst 10.8.0.0/24 dir out action block priority 4711
        $policy = Get-XfrmPolicy -Socket $lab.WestSocket | Where-Object Priority -eq 4711
        $policy | Should -BeOfType PcpuIpsec.Client.XfrmPolicy
        $policy.Direction, $policy.Source, $policy.Destination, $policy.Action | Should -Be 'out', '10.9.0.0/24', '10.8.0.0/24', 'drop'
        $policy.Tunnel | Should -BeNullOrEmpty
    }
}
