BeforeAll {
    . "$PSScriptRoot/Lab.ps1"
    $lab = New-TestLab
    New-TestTunnel $lab
}
AfterAll {
    Remove-TestLab $lab
}

Describe 'Get-PcpuEvent' {
    It 'tells what happened, in order' {
        $events = Get-PcpuEvent -Socket $lab.WestSocket
        $events | Should -BeOfType PcpuIpsec.Client.DaemonEvent
        $events.Kind | Should -Contain 'tunnel-added'
        $events.Kind | Should -Contain 'ike-sa-established'
        $events.Id | Should -Be ($events.Id | Sort-Object)
    }

    It 'filters by kind and by tunnel' {
        (Get-PcpuEvent -Kind tunnel-added -Socket $lab.WestSocket).Tunnel | Should -Be 'lab'
        Get-PcpuEvent none -Socket $lab.WestSocket | Should -BeNullOrEmpty
    }

    It 'follows until the pipeline has enough' {
        $seen = Get-PcpuEvent -Follow -Socket $lab.WestSocket | Select-Object -First 3
        $seen.Count | Should -Be 3
    }

    It 'sees what happens later' {
        $job = [powershell]::Create().AddScript({
            param($root, $socket)
            Import-Module "$root/PcpuIpsec.psd1"
            Get-PcpuEvent -Follow -Kind child-sa-rekeyed -Socket $socket | Select-Object -First 1
        }).AddArgument($root).AddArgument($lab.WestSocket)
        $running = $job.BeginInvoke()
        Start-Sleep -Milliseconds 500
        $null = Get-PcpuChildSa lab -Cpu 0 -Socket $lab.WestSocket | Update-PcpuChildSa -Socket $lab.WestSocket
        $running.AsyncWaitHandle.WaitOne(10000) | Should -BeTrue
        $job.EndInvoke($running).Kind | Should -Be 'child-sa-rekeyed'
        $job.Dispose()
    }
}
