BeforeAll {
    . "$PSScriptRoot/Lab.ps1"

    # A session of its own in a namespace of its own: a private daemon works where the session does.
    function Invoke-InNamespace([string] $script) {
        $PSNativeCommandUseErrorActionPreference = $false
        ip netns exec $namespace pwsh -NoProfile -NonInteractive -Command "Import-Module $root/PcpuIpsec.psd1; $script" 2>&1 | Out-String
    }
    $namespace = "pcpu-pester-$PID-private"
    ip netns add $namespace
    ip -n $namespace link set lo up
}
AfterAll {
    ip netns del $namespace
}

Describe 'Stop-PcpuDaemon, and the private daemon of a session' -Skip:(Test-Path /run/pcpu-ipsec/pcpu-ipsec.sock) {
    It 'starts a daemon where none runs, says so, and ends it' {
        $said = Invoke-InNamespace '$d = Get-PcpuDaemon; Stop-PcpuDaemon -Confirm:$false; "pid=$($d.ProcessId)"; "there=$(Test-Path /proc/$($d.ProcessId))"'
        $said | Should -BeLike '*a private one was started*'
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

    It 'ends also where the session is killed' {
        $said = Invoke-InNamespace '"pid=$((Get-PcpuDaemon).ProcessId)"; kill -9 $PID'
        $id = [regex]::Match($said, 'pid=(\d+)').Groups[1].Value
        $id | Should -Not -BeNullOrEmpty
        for ($i = 0; $i -lt 100 -and (Test-Path "/proc/$id"); $i++) {
            Start-Sleep -Milliseconds 100
        }
        Test-Path "/proc/$id" | Should -BeFalse
    }

    It 'does nothing with -WhatIf' {
        Invoke-InNamespace '$null = Get-PcpuDaemon; Stop-PcpuDaemon -WhatIf; "still=$((Get-PcpuDaemon).ApiVersion)"' | Should -BeLike '*still=1*'
    }

    It 'says that there is none' {
        { Stop-PcpuDaemon -Confirm:$false -ErrorAction Stop } | Should -Throw -ErrorId 'NotFound,*'
    }
}
