BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-PcpuDaemon' {
    It 'tells what the daemon is and works on' {
        $daemon = Get-PcpuDaemon -Socket $lab.WestSocket
        $daemon | Should -BeOfType PcpuIpsec.Client.DaemonInfo
        $daemon.ApiVersion | Should -Be 1
        $daemon.Version | Should -Be (Get-Module PcpuIpsec).Version
        $daemon.DataPlane | Should -BeIn 'kernel', 'embedded'
        $daemon.Cpus | Should -Not -BeNullOrEmpty
    }
}
