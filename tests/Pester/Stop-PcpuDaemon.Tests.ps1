BeforeAll {
    . "$PSScriptRoot/Lab.ps1"

    # A session of its own in a namespace of its own: a private daemon works where the session does. What follows the script
    # is what the shell is run by.
    function Invoke-InNamespace([string] $script) {
        $PSNativeCommandUseErrorActionPreference = $false
        $said = ip netns exec $namespace @args pwsh -NoProfile -NonInteractive -Command "Import-Module $root/PcpuIpsec.psd1; $script" 2>&1 | Out-String
        # Warnings are wrapped.
        $said -replace '\s+', ' '
    }
    $namespace = "pcpu-pester-$PID-private"
    ip netns add $namespace
    ip -n $namespace link set lo up
    ip -n $namespace addr add 192.0.2.1/32 dev lo

    # A tunnel of the session's private daemon, with a key in a file.
    $declare = "`$d = Get-PcpuDaemon; `$null = New-PcpuTunnel lab 192.0.2.1 192.0.2.2 -LocalSelector 10.1.0.1/32 -RemoteSelector 10.2.0.1/32 -PreSharedKey (ConvertTo-SecureString 'a key' -AsPlainText);
        `"pid=`$(`$d.ProcessId);folder=`$(`$d.TunnelsFolder);key=`$(Test-Path `"`$(`$d.TunnelsFolder)/lab.key`");`""
    $killDaemon = '; kill -9 $d.ProcessId; while (Test-Path /proc/$($d.ProcessId)) { Start-Sleep -Milliseconds 20 }; '

    # What holds traffic there, and what is left of it.
    function Get-Held {
        $(ip -n $namespace rule; ip -n $namespace route show table all; ip -n $namespace xfrm policy) -join "`n"
    }
    function Get-Folder([string] $said) {
        $said | Should -BeLike '*;key=True;*'
        [regex]::Match($said, 'folder=([^;]+);').Groups[1].Value
    }
    function Wait-End([string] $said) {
        $id = [regex]::Match($said, 'pid=(\d+)').Groups[1].Value
        $id | Should -Not -BeNullOrEmpty
        for ($i = 0; $i -lt 100 -and (Test-Path "/proc/$id"); $i++) {
            Start-Sleep -Milliseconds 100
        }
        Test-Path "/proc/$id" | Should -BeFalse
    }
}
AfterAll {
    ip netns del $namespace
}

Describe 'Stop-PcpuDaemon, and the private daemon of a session' -Skip:(Test-Path /run/pcpu-ipsec/pcpu-ipsec.sock) {
    It 'starts a daemon where none runs, says so, and ends it' {
        $said = Invoke-InNamespace '$d = Get-PcpuDaemon; Stop-PcpuDaemon -Confirm:$false; "pid=$($d.ProcessId)"; "there=$(Test-Path /proc/$($d.ProcessId))"'
        $said | Should -BeLike '*a private one was started*their traffic goes unprotected then.*'
        $said | Should -Match 'pid=\d+'
        $said | Should -BeLike '*there=False*'
    }

    It 'is one, however many runspaces ask at once' {
        $said = Invoke-InNamespace "`$ids = 1..4 | ForEach-Object -Parallel { Import-Module $root/PcpuIpsec.psd1; (Get-PcpuDaemon).ProcessId }; `"daemons=`$(@(`$ids | Sort-Object -Unique).Count) of `$(`$ids.Count)`""
        $said | Should -BeLike '*daemons=1 of 4*'
        [regex]::Matches($said, 'a private one was started').Count | Should -Be 1
    }

    It 'leaves the session connected with another daemon' {
        $lab = New-TestLab
        try {
            Invoke-InNamespace "`$null = Get-PcpuDaemon; `$null = Connect-PcpuDaemon -Socket $($lab.WestSocket); Stop-PcpuDaemon -Confirm:`$false; (Get-PcpuDaemon).TunnelsFolder" | Should -BeLike '*/west/*'
        }
        finally {
            Remove-TestLab $lab
        }
    }

    It 'ends with the session' {
        $said = Invoke-InNamespace '"pid=$((Get-PcpuDaemon).ProcessId)"'
        $id = [regex]::Match($said, 'pid=(\d+)').Groups[1].Value
        $id | Should -Not -BeNullOrEmpty
        Test-Path "/proc/$id" | Should -BeFalse
    }

    It 'ends also where the session is killed, and leaves neither keys nor held traffic' {
        $before = Get-Held
        $said = Invoke-InNamespace "$declare; kill -9 `$PID"
        Wait-End $said
        Test-Path (Get-Folder $said) | Should -BeFalse
        Get-Held | Should -Be $before
    }

    It 'leaves nothing where it is stopped by others, and says so' {
        $before = Get-Held
        $said = Invoke-InNamespace "$declare; kill -TERM `$d.ProcessId; while (Test-Path /proc/`$(`$d.ProcessId)) { Start-Sleep -Milliseconds 20 }; `"tunnels=`$(@(Get-PcpuTunnel).Count);`""
        $said | Should -BeLike '*was stopped, and its tunnels with it: another one was started, without tunnels.*tunnels=0;*'
        Test-Path (Split-Path (Get-Folder $said)) | Should -BeFalse
        Get-Held | Should -Be $before
    }

    It 'is nobody''s part of a service, and heeds no key that a terminal sends to all' {
        $said = Invoke-InNamespace "`$env:NOTIFY_SOCKET = '/nowhere'; `$env:WATCHDOG_USEC = '1000000'; `$env:JOURNAL_STREAM = '1:1'; $declare; kill -QUIT `$d.ProcessId; kill -INT `$d.ProcessId; Start-Sleep 1; `"same=`$((Get-PcpuDaemon).ProcessId -eq `$d.ProcessId);env=`$((Get-Content /proc/`$(`$d.ProcessId)/environ -Raw) -match 'NOTIFY_SOCKET|WATCHDOG|JOURNAL_STREAM');`""
        $said | Should -BeLike '*same=True;env=False;*'
    }

    It 'stays while a runspace has the module' {
        $said = Invoke-InNamespace "$declare; `$other = [powershell]::Create().AddScript('Import-Module $root/PcpuIpsec.psd1; Get-PcpuTunnel; Remove-Module PcpuIpsec').Invoke(); `"tunnel=`$((Get-PcpuTunnel).Name);`"; Remove-Module PcpuIpsec; `"there=`$(Test-Path /proc/`$(`$d.ProcessId));`""
        $said | Should -BeLike '*tunnel=lab;*there=False;*'
    }

    It 'says why none can be had' {
        $said = Invoke-InNamespace 'Get-PcpuTunnel' unshare -m sh -c 'mount -t tmpfs -o ro none /run && exec "$@"' sh
        $said | Should -Match 'folder in /run, and none can be made there'
    }

    It 'says how to name another daemon where one ends at once' {
        $said = Invoke-InNamespace 'Get-PcpuTunnel' sh -c 'ip link add pcpu0 type veth peer name other; "$@"; ip link del pcpu0' sh
        $said | Should -BeLike '*a private one ended at once: *pcpu0*Connect-PcpuDaemon SOCKET.*'
    }

    It 'keeps keys in memory, for root alone' {
        $said = Invoke-InNamespace "$declare; `"mode=`$(stat -c %a `$d.TunnelsFolder),`$(stat -c %a `"`$(`$d.TunnelsFolder)/lab.key`");`""
        Get-Folder $said | Should -BeLike '/run/*'
        $said | Should -BeLike '*mode=700,600;*'
    }

    It 'is started again for what the pipeline brings of one that was killed' {
        Invoke-InNamespace "$declare; `$t = Get-PcpuTunnel$killDaemon `"tunnel=`$((`$t | Get-PcpuTunnel).Name);`"" | Should -BeLike '*tunnel=lab;*'
    }

    It 'is started again with its tunnels where it was killed, and says so' {
        $said = Invoke-InNamespace "$declare$killDaemon `"tunnel=`$((Get-PcpuTunnel).Name);other=`$((Get-PcpuDaemon).ProcessId -ne `$d.ProcessId)`""
        $said | Should -BeLike '*The private daemon of this session was killed: another one was started and has its tunnels.*'
        $said | Should -BeLike '*tunnel=lab;other=True*'
        Test-Path (Get-Folder $said) | Should -BeFalse
    }

    It 'lets nothing go where its being started again is cancelled' {
        $said = Invoke-InNamespace "$declare$killDaemon `$p = [powershell]::Create().AddScript('Import-Module $root/PcpuIpsec.psd1; Get-PcpuTunnel'); `$null = `$p.BeginInvoke()
            for (`$i = 0; `$i -lt 500 -and -not (pgrep -P `$PID pcpu-ipsec); `$i++) { Start-Sleep -Milliseconds 20 }
            Start-Sleep -Milliseconds 700; `$p.Stop(); `"tunnel=`$((Get-PcpuTunnel).Name);`""
        $said | Should -BeLike '*tunnel=lab;*'
    }

    It 'leaves nothing where it was killed and the session ends, or stops it' {
        $before = Get-Held
        foreach ($end in 'exit', 'Stop-PcpuDaemon -Confirm:$false') {
            $said = Invoke-InNamespace "$declare$killDaemon `"held=`$((ip route show table all | Out-String) + (ip xfrm policy | Out-String))`"; $end"
            $said | Should -Match '(?s)held=.*(proto 196|10\.2\.0\.1)'
            Test-Path (Get-Folder $said) | Should -BeFalse
            Get-Held | Should -Be $before
        }
    }

    It 'leaves the traffic held where it is killed with the session, and the next one deletes the keys and says what to do' {
        $before = Get-Held
        $folder = Get-Folder (Invoke-InNamespace "$declare$killDaemon kill -9 `$PID")
        $folder | Should -BeLike '/run/pcpu-ipsec-session-*/tunnels.d'
        try {
            Get-Held | Should -Not -Be $before
            $said = Invoke-InNamespace '$null = Get-PcpuDaemon'
            $said | Should -Match 'left the traffic of lab held'
            # One warning, though the folder tells of it and the kernel does.
            $said | Should -Match 'held \(10\.1\.0\.1/32 to 10\.2\.0\.1/32\)'
            $said | Should -Not -Match 'held here by'
            $said | Should -BeLike "*'$root/out/PcpuIpsec/bin/pcpu-ipsec release --tunnels $folder'*"
            Get-ChildItem $folder | Select-Object -ExpandProperty Name | Should -Not -Contain 'lab.key'
            Get-Held | Should -Not -Be $before
            ip netns exec $namespace "$root/out/PcpuIpsec/bin/pcpu-ipsec" release --tunnels $folder | Should -BeLike 'lab: its traffic is not held any more.'
            Get-Held | Should -Be $before
        }
        finally {
            Remove-Item (Split-Path $folder) -Recurse -Force
        }
        Invoke-InNamespace '$null = Get-PcpuDaemon' | Should -Not -Match 'held'
    }

    It 'does nothing with -WhatIf' {
        Invoke-InNamespace '$null = Get-PcpuDaemon; Stop-PcpuDaemon -WhatIf; "still=$((Get-PcpuDaemon).ApiVersion)"' | Should -BeLike '*still=1*'
    }

    It 'says that there is none' {
        { Stop-PcpuDaemon -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
