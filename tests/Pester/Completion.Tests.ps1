BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab

    function Complete([string] $line) {
        (TabExpansion2 $line -cursorColumn $line.Length).CompletionMatches.CompletionText
    }
    $cpus = (Get-PcpuDaemon -Socket $lab.WestSocket).Cpus
    $socket = "-Socket $($lab.WestSocket)"
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Completion' {
    It 'offers tunnels to <_>' -ForEach 'Get-PcpuTunnel', 'Set-PcpuTunnel', 'Remove-PcpuTunnel', 'Start-PcpuTunnel', 'Stop-PcpuTunnel', 'Test-PcpuTunnel',
    'Get-PcpuChildSa', 'Update-PcpuChildSa', 'Move-PcpuChildSa', 'Get-PcpuEvent', 'Get-XfrmState', 'Get-XfrmPolicy' {
        Complete "$_ $socket " | Should -Be 'lab'
        Complete "$_ $socket 'L" | Should -Be 'lab'
        Complete "$_ $socket x" | Should -Not -Contain 'lab'
    }

    It 'takes the shell''s paths' {
        Push-Location $lab.Folder
        try {
            $relative = Resolve-Path $lab.WestSocket -Relative
            Complete "Get-PcpuTunnel -Socket $relative " | Should -Be 'lab'
        }
        finally {
            Pop-Location
        }
        Complete 'Get-PcpuTunnel -Socket nodrive:/x ' | Should -Not -Contain 'lab'
    }

    # Others choose names.
    It 'quotes what the shell would take for something else' {
        $null = New-PcpuTunnel -Name '-x' -Socket $lab.WestSocket -LocalAddress 192.0.2.1 -RemoteAddress 192.0.2.9 -LocalSelector 10.8.0.0/24 -RemoteSelector 10.9.0.0/24 -PreSharedKey (ConvertTo-SecureString 'a key' -AsPlainText)
        try {
            Complete "Get-PcpuTunnel $socket " | Should -Be "'-x'", 'lab'
        }
        finally {
            Remove-PcpuTunnel -Name '-x' -Socket $lab.WestSocket -Confirm:$false
        }
    }

    It 'offers tunnels of the other end' {
        Complete "Test-PcpuTunnel lab $socket -PeerSocket $($lab.EastSocket) -PeerName " | Should -Be 'lab'
    }

    It 'offers the data plane''s CPUs to <_>' -ForEach 'New-PcpuTunnel -Cpu', 'Set-PcpuTunnel lab -Cpu', 'Get-PcpuChildSa lab -Cpu', 'Move-PcpuChildSa lab 2 -ToCpu' {
        $command, $rest = $_ -split ' ', 2
        Complete "$command $socket $rest " | Should -Be $cpus
        Complete "$command $socket $rest 0" | Should -Be 0
    }

    It 'offers the numbers of a tunnel''s Child SAs' {
        $numbers = (Get-PcpuChildSa lab -Socket $lab.WestSocket).Number
        Complete "Update-PcpuChildSa lab $socket -Number " | Should -Be $numbers
        Complete "Move-PcpuChildSa lab $socket -Number " | Should -Be $numbers
    }

    It 'offers suites, modes, actions, segment sizes and kinds of events' {
        Complete 'New-PcpuTunnel -IkeSuite chacha' | Should -Be 'chacha20poly1305-sha256-x25519'
        Complete 'Set-PcpuTunnel lab -EspSuite aes256g' | Should -Be 'aes256gcm16', 'aes256gcm16-ecp384'
        Complete 'New-PcpuTunnel -Mode t' | Should -Be 'Transport', 'Tunnel'
        Complete 'New-PcpuTunnel -StartAction ' | Should -Be 'Initiate', 'Wait'
        Complete 'New-PcpuTunnel -Mss ' | Should -Be 'auto', 'off'
        Complete 'New-PcpuLab -DataPlane ' | Should -Be 'Auto', 'Embedded', 'Kernel'
        Complete 'Get-PcpuEvent -Kind ike-sa-f' | Should -Be 'ike-sa-failed'
    }

    It 'offers this host''s addresses, and no interface that is none of XFRM''s' {
        $PSNativeCommandUseErrorActionPreference = $false
        $script = "Import-Module $root/PcpuIpsec.psd1
            function Complete(`$line) { (TabExpansion2 `$line -cursorColumn `$line.Length).CompletionMatches.CompletionText -join ',' }
            'address=' + (Complete 'New-PcpuTunnel x -LocalAddress 192.0.2.') + ';'
            'interface=' + (Complete 'New-PcpuTunnel x -InterfaceName ') + ';'"
        $said = ip netns exec "$($lab.Id)-west" pwsh -NoProfile -NonInteractive -Command $script | Out-String
        $said | Should -BeLike '*address=192.0.2.1;*'
        $said | Should -Not -Match 'interface=[^;]*(lo|wire|tun)'
    }

    # In a namespace of its own, where a private daemon could be started.
    It 'starts no daemon where none runs, and says nothing' -Skip:(Test-Path /run/pcpu-ipsec/pcpu-ipsec.sock) {
        $PSNativeCommandUseErrorActionPreference = $false
        $script = "Import-Module $root/PcpuIpsec.psd1
            `$null = TabExpansion2 'Get-Date -For' -cursorColumn 13
            `$took = Measure-Command { `$found = foreach (`$line in 'Get-PcpuTunnel pcpu-pester', 'Move-PcpuChildSa pcpu-pester 1 -ToCpu ', 'Update-PcpuChildSa pcpu-pester -Number ') {
                (TabExpansion2 `$line -cursorColumn `$line.Length).CompletionMatches.CompletionText | Where-Object { `$_ } } }
            `"found=`$(`$found -join ',');errors=`$(`$Error.Count);ms=`$([int]`$took.TotalMilliseconds);daemons=`$(@(Get-ChildItem /proc/`$PID/task/*/children | Get-Content | Where-Object { `$_ }).Count);`""
        $said = ip netns exec "$($lab.Id)-west" pwsh -NoProfile -NonInteractive -Command $script 2>&1 | Out-String
        $online = (Get-Content /sys/devices/system/cpu/online) -split ',' | ForEach-Object { $first, $last = [int[]]($_ -split '-'); $first..($last ?? $first) }
        $said | Should -BeLike "*found=$($online -join ',');errors=0;*daemons=0;*"
        [int][regex]::Match($said, 'ms=(\d+)').Groups[1].Value | Should -BeLessThan 5000
    }

    It 'gives up after a second where the daemon hangs, and where there is none at once' {
        $daemon = (Get-PcpuDaemon -Socket $lab.EastSocket).ProcessId
        kill -STOP $daemon
        try {
            (Measure-Command { Complete "Get-PcpuTunnel -Socket $($lab.EastSocket) -Name " | Should -BeNullOrEmpty }).TotalSeconds | Should -BeLessThan 3
        }
        finally {
            kill -CONT $daemon
        }
        (Measure-Command { Complete "Get-PcpuTunnel -Socket $($lab.Folder)/none.sock -Name " | Should -BeNullOrEmpty }).TotalSeconds | Should -BeLessThan 1
    }
}
