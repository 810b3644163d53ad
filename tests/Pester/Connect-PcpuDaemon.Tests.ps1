BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Connect-PcpuDaemon' {
    It 'makes a daemon the one that is asked' {
        (Connect-PcpuDaemon -Socket $lab.EastSocket).TunnelsFolder | Should -BeLike '*/east/*'
        (Get-PcpuDaemon).TunnelsFolder | Should -BeLike '*/east/*'
        (Connect-PcpuDaemon -Socket $lab.WestSocket).TunnelsFolder | Should -BeLike '*/west/*'
        (Get-PcpuDaemon).TunnelsFolder | Should -BeLike '*/west/*'
    }

    It 'leaves the one before where the new one does not answer' {
        $null = Connect-PcpuDaemon -Socket $lab.EastSocket
        { Connect-PcpuDaemon -Socket "$($lab.Folder)/none.sock" -ErrorAction Stop } | Should -Throw -ErrorId 'Unreachable,*'
        (Get-PcpuDaemon).TunnelsFolder | Should -BeLike '*/east/*'
    }
}
