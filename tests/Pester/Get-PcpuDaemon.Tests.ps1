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

    It 'is shown in lines' {
        Get-PcpuDaemon -Socket $lab.WestSocket | Out-String | Should -Match '(?s)Version +: .*TunnelsFolder +: .*/west/.*DataPlane +: (kernel|embedded): .*Cpus +: 0'
    }
}
