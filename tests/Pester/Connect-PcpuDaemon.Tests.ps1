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

    It 'takes the socket by position, and without one goes back to what there would be' -Skip:(Test-Path /run/pcpu-ipsec/pcpu-ipsec.sock) {
        (Connect-PcpuDaemon $lab.EastSocket).Socket | Should -Be $lab.EastSocket
        # That is a private one, which works where no other does.
        ip netns add "$($lab.Id)-own"
        $said = ip netns exec "$($lab.Id)-own" pwsh -NoProfile -NonInteractive -Command "Import-Module $root/PcpuIpsec.psd1
            `$own = (Get-PcpuDaemon).Socket; `$null = Connect-PcpuDaemon $($lab.WestSocket); 'west=' + (Get-PcpuDaemon).TunnelsFolder + ';'; 'back=' + ((Connect-PcpuDaemon).Socket -eq `$own) + ',' + ((Get-PcpuDaemon).Socket -eq `$own) + ';'" 2>&1 | Out-String
        ip netns del "$($lab.Id)-own"
        $said | Should -BeLike '*west=*/west/*back=True,True;*'
    }
}
