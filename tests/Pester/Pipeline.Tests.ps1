BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
    # Both daemons have it.
    foreach ($end in 'west', 'east') {
        $two = Get-TestTunnel $lab $end two
        $two.LocalSelector = '10.7.0.0/24'
        $two.RemoteSelector = '10.8.0.0/24'
        $null = New-PcpuTunnel @two
    }
    $west = @{ Socket = $lab.WestSocket }
    $east = @{ Socket = $lab.EastSocket }
    # What a command leaves as it is at the daemon that the session is connected to.
    function Get-West {
        Get-PcpuTunnel @west | ForEach-Object { "$($_.Name) $($_.State) $($_.Definition.ReplayWindow) $($_.IkeSa.InitiatorSpi) $($_.ChildSas.OutboundSpi)" }
    }
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'What the pipeline brings from another daemon than the session''s' {
    BeforeEach {
        $null = Start-PcpuTunnel lab -AllChildSa @west
        $null = Connect-PcpuDaemon @west
        $before = Get-West
    }

    It 'has that daemon''s socket: <_>' -ForEach 'Get-PcpuTunnel lab', 'Get-PcpuChildSa lab', 'Get-PcpuDaemon', 'Get-PcpuEvent', 'Get-XfrmPolicy', 'Test-PcpuHost', 'Test-PcpuTunnel lab -Seconds 0',
    '(Get-PcpuTunnel lab).Definition', '(Get-PcpuTunnel lab).ChildSas', '(Get-PcpuEvent).ChildSa', 'Start-PcpuTunnel lab' {
        $null = Connect-PcpuDaemon @east
        foreach ($answer in (& ([scriptblock]::Create($_))).Where{ $null -ne $_ }) {
            $answer.Socket | Should -Be $lab.EastSocket
        }
    }

    It 'is stopped there' {
        # East's SAs go, and west is told: it is west's own command that would make it say that something was changed.
        (Get-PcpuTunnel lab @east | Stop-PcpuTunnel).Socket | Should -Be $lab.EastSocket
        (Get-PcpuTunnel lab @east).State | Should -Be 'Down'
    }

    It 'is started there' {
        $null = Stop-PcpuTunnel lab @west
        (Get-PcpuTunnel lab @east | Start-PcpuTunnel -AllChildSa).Socket | Should -Be $lab.EastSocket
        (Get-PcpuTunnel lab @east).IkeSa.IsInitiator | Should -BeTrue
    }

    It 'is changed there: <_>' -ForEach 'Get-PcpuTunnel two', '(Get-PcpuTunnel two).Definition' {
        $null = Connect-PcpuDaemon @east
        $tunnel = & ([scriptblock]::Create($_))
        $null = Connect-PcpuDaemon @west
        $window = 256 + (Get-PcpuTunnel two @east).Definition.ReplayWindow
        ($tunnel | Set-PcpuTunnel -ReplayWindow $window).Definition.ReplayWindow | Should -Be $window
        (Get-PcpuTunnel two @east).Definition.ReplayWindow | Should -Be $window
        Get-West | Should -Be $before
    }

    It 'is declared there' {
        $null = (Get-PcpuTunnel two @east).Definition | New-PcpuTunnel copy -RemoteAddress 192.0.2.77 -RemoteSelector 10.77.0.0/24 -PreSharedKey (Get-TestKey)
        Get-West | Should -Be $before
        Get-PcpuTunnel copy @east | Remove-PcpuTunnel -Confirm:$false
        Get-PcpuTunnel copy* @east | Should -BeNullOrEmpty
    }

    It 'gets new keys there: <_>' -ForEach 'Get-PcpuChildSa lab -Cpu 0', '(Get-PcpuTunnel lab).ChildSas | Where-Object Cpu -eq 0', '(Get-PcpuEvent -Kind child-sa-established).ChildSa | Select-Object -Last 1' {
        $null = Connect-PcpuDaemon @east
        $child = & ([scriptblock]::Create($_))
        $null = Connect-PcpuDaemon @west
        ($child | Update-PcpuChildSa).Socket | Should -Be $lab.EastSocket
    }

    It 'is moved there' -Skip:([Environment]::ProcessorCount -lt 2) {
        ($child = Get-PcpuChildSa lab -Cpu 0 @east | Move-PcpuChildSa -ToCpu 1).Cpu | Should -Be 1
        $child.Socket | Should -Be $lab.EastSocket
        $null = $child | Move-PcpuChildSa -ToCpu 0
    }

    It 'is looked at there' {
        (Get-PcpuTunnel lab @east | Get-PcpuChildSa).Socket | Sort-Object -Unique | Should -Be $lab.EastSocket
        (Get-PcpuTunnel lab @east | Test-PcpuTunnel -Seconds 0).Socket | Sort-Object -Unique | Should -Be $lab.EastSocket
        (Get-PcpuTunnel lab @east | Get-PcpuEvent).Socket | Sort-Object -Unique | Should -Be $lab.EastSocket
        (Get-PcpuTunnel lab @east | Get-PcpuTunnel).Socket | Should -Be $lab.EastSocket
        (Get-PcpuDaemon @east | Connect-PcpuDaemon).TunnelsFolder | Should -BeLike '*/east/*'
    }

    It 'is done where -Socket says, and where one is told by its name in the session''s' {
        (Get-PcpuTunnel lab @east | Get-PcpuTunnel @west).Socket | Should -Be $lab.WestSocket
        ('lab' | Get-PcpuTunnel).Socket | Should -Be $lab.WestSocket
        # One after the other.
        ((Get-PcpuTunnel lab @east), 'lab' | Get-PcpuTunnel).Socket | Should -Be $lab.EastSocket, $lab.WestSocket
    }

    It 'is asked about with that socket, and the session''s own without' {
        $script = "Import-Module '$root/PcpuIpsec.psd1'; `$null = Connect-PcpuDaemon '$($lab.WestSocket)'
            foreach (`$socket in '$($lab.WestSocket)', '$($lab.EastSocket)') {
                Get-PcpuTunnel lab -Socket `$socket | Remove-PcpuTunnel -WhatIf
                Get-PcpuTunnel lab -Socket `$socket | Stop-PcpuTunnel -WhatIf
                Get-PcpuTunnel lab -Socket `$socket | Set-PcpuTunnel -ReplayWindow 128 -WhatIf
                Get-PcpuChildSa lab -Cpu 0 -Socket `$socket | Update-PcpuChildSa -WhatIf
                (Get-PcpuTunnel lab -Socket `$socket).Definition | New-PcpuTunnel other -WhatIf
            }"
        $said = pwsh -NoProfile -NonInteractive -Command $script | Out-String
        [regex]::Matches($said, 'What if: ').Count | Should -Be 10
        [regex]::Matches($said, [regex]::Escape(" at $($lab.EastSocket)`"")).Count | Should -Be 5
        $said | Should -Not -Match ([regex]::Escape("at $($lab.WestSocket)"))
    }

    It 'is removed there' {
        Get-PcpuTunnel two @east | Remove-PcpuTunnel -Confirm:$false
        Get-PcpuTunnel two* @east | Should -BeNullOrEmpty
        Get-West | Should -Be $before
    }
}

Describe 'Wildcards' {
    It 'mean all that match' {
        $null = Start-PcpuTunnel lab -AllChildSa @west
        (Get-PcpuChildSa l* @west).Count | Should -Be (Get-PcpuChildSa lab @west).Count
        (Stop-PcpuTunnel L?b @west).Name | Should -Be 'lab'
        (Start-PcpuTunnel la* @west).State | Should -Be 'Up'
        Remove-PcpuTunnel x*, tw? @west -Confirm:$false
        (Get-PcpuTunnel @west).Name | Should -Be 'lab'
    }
}
