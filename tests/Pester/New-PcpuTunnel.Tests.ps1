BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'New-PcpuTunnel' {
    AfterEach {
        Get-PcpuTunnel -Socket $lab.WestSocket | Remove-PcpuTunnel -Socket $lab.WestSocket -Confirm:$false
    }

    It 'declares a tunnel that stays, and says that it changed something' {
        $declaration = Get-TestTunnel $lab
        $tunnel = New-PcpuTunnel @declaration
        $tunnel.Changed | Should -BeTrue
        $tunnel | Out-String | Should -Match 'Name +Changed +State'
        $tunnel.State | Should -Be 'Down'
        (Get-PcpuTunnel lab -Socket $lab.WestSocket).Definition.RemoteSelectors | Should -Be '10.2.0.1/32'
    }

    It 'changes nothing the second time, and says so' {
        $declaration = Get-TestTunnel $lab
        $null = New-PcpuTunnel @declaration
        (New-PcpuTunnel @declaration).Changed | Should -BeFalse
    }

    It 'refuses a name that another declaration has' {
        $declaration = Get-TestTunnel $lab
        $null = New-PcpuTunnel @declaration
        { New-PcpuTunnel @declaration -ReplayWindow 128 -ErrorAction Stop } | Should -Throw -ErrorId 'Conflict,*'
    }

    It 'does nothing with -WhatIf' {
        $declaration = Get-TestTunnel $lab
        New-PcpuTunnel @declaration -WhatIf | Should -BeNullOrEmpty
        Get-PcpuTunnel -Socket $lab.WestSocket | Should -BeNullOrEmpty
    }

    It 'takes tunnels from the pipeline' {
        $common = @{ PreSharedKey = Get-TestKey; Socket = $lab.WestSocket }
        $tunnels = @(
            [pscustomobject]@{ Name = 'a'; LocalAddress = '192.0.2.1'; RemoteAddress = '192.0.2.2'; LocalSelectors = '10.1.0.1/32'; RemoteSelectors = '10.3.0.0/24' }
            [pscustomobject]@{ Name = 'b'; LocalAddress = '192.0.2.1'; RemoteAddress = '192.0.2.2'; LocalSelectors = '10.1.0.1/32'; RemoteSelectors = '10.4.0.0/24' }
        ) | New-PcpuTunnel @common
        $tunnels.Name | Should -Be 'a', 'b'
    }

    It 'tells the field, the value and what is allowed' {
        $declaration = Get-TestTunnel $lab
        { New-PcpuTunnel @declaration -ReplayWindow 1 -ErrorAction Stop } | Should -Throw -ErrorId 'InvalidOption,*' -ExpectedMessage '*ReplayWindow*1*64*4096*'
    }

    It 'goes on after an error with the next' {
        $common = @{ PreSharedKey = Get-TestKey; Socket = $lab.WestSocket; ErrorAction = 'SilentlyContinue'; ErrorVariable = 'failed' }
        $made = @(
            [pscustomobject]@{ Name = 'a b'; LocalAddress = '192.0.2.1'; RemoteAddress = '192.0.2.2' }
            [pscustomobject]@{ Name = 'c'; LocalAddress = '192.0.2.1'; RemoteAddress = '192.0.2.2'; RemoteSelectors = '10.5.0.0/24' }
        ) | New-PcpuTunnel @common
        $made.Name | Should -Be 'c'
        $failed.Count | Should -Be 1
    }

    It 'takes the key from a file' {
        $file = "$($lab.Folder)/key"
        Set-Content $file 'the same key at both ends' -NoNewline
        chmod 600 $file
        $declaration = Get-TestTunnel $lab
        $declaration.Remove('PreSharedKey')
        (New-PcpuTunnel @declaration -PreSharedKeyFile $file).Definition.PreSharedKeyFile | Should -Be $file
    }

    It 'never lists a key' {
        $declaration = Get-TestTunnel $lab
        New-PcpuTunnel @declaration | ConvertTo-Json -Depth 9 | Should -Not -BeLike '*the same key*'
        Get-Content "$($lab.Folder)/west/tunnels.d/lab.json" -Raw | Should -Not -BeLike '*the same key*'
    }

    It 'starts the tunnel with -Start' {
        $east = Get-TestTunnel $lab east
        $null = New-PcpuTunnel @east
        $declaration = Get-TestTunnel $lab
        (New-PcpuTunnel @declaration -Start).State | Should -Be 'Up'
        Remove-PcpuTunnel lab -Socket $lab.EastSocket -Confirm:$false
    }
}
