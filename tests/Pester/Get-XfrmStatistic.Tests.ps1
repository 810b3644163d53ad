BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-XfrmStatistic' {
    It 'has the counters that the kernel has' -Skip:(-not (Test-Path /proc/net/xfrm_stat)) {
        $statistics = Get-XfrmStatistic -Socket $lab.WestSocket
        $statistics | Should -BeOfType PcpuIpsec.PowerShell.Cmdlets.XfrmStatistic
        $statistics.Name | Should -Contain 'XfrmOutNoStates'
    }
}
