# Two hosts in namespaces of their own, a wire between them, each with a protected address and a daemon:
# 10.1.0.1 – west – 192.0.2.1 = 192.0.2.2 – east – 10.2.0.1. Dot-sourced by each test file in its BeforeAll.

$root = (Resolve-Path "$PSScriptRoot/../..").Path
# With a module by that name in PSModulePath it is this one that is tested.
Import-Module "$root/PcpuIpsec.psd1" -Force

function New-TestLab {
    $lab = [pscustomobject]@{
        Folder     = (New-Item "$([IO.Path]::GetTempPath())/pcpu-pester-$([guid]::NewGuid().ToString('n').Substring(0, 8))" -ItemType Directory).FullName
        Id         = "pcpu-pester-$PID"
        West       = $null
        East       = $null
        WestSocket = $null
        EastSocket = $null
    }
    $lab.WestSocket = "$($lab.Folder)/west/s.sock"
    $lab.EastSocket = "$($lab.Folder)/east/s.sock"
    foreach ($end in 'west', 'east') {
        ip netns add "$($lab.Id)-$end"
    }
    ip -n "$($lab.Id)-west" link add wire type veth peer name wire netns "$($lab.Id)-east"
    foreach ($end in @{ Name = 'west'; Outer = '192.0.2.1'; Inner = '10.1.0.1'; Peer = '192.0.2.2' }, @{ Name = 'east'; Outer = '192.0.2.2'; Inner = '10.2.0.1'; Peer = '192.0.2.1' }) {
        $namespace = "$($lab.Id)-$($end.Name)"
        ip -n $namespace addr add "$($end.Outer)/24" dev wire
        ip -n $namespace addr add "$($end.Inner)/32" dev lo
        ip -n $namespace link set lo up
        ip -n $namespace link set wire up
        ip -n $namespace route add default via $end.Peer
    }
    $lab.West = Start-TestDaemon $lab west
    $lab.East = Start-TestDaemon $lab east
    $lab
}

function Start-TestDaemon($lab, [string] $end) {
    $start = [System.Diagnostics.ProcessStartInfo]::new('ip')
    foreach ($argument in 'netns', 'exec', "$($lab.Id)-$end", "$root/out/PcpuIpsec/bin/pcpu-ipsec", 'serve', '--socket', "$($lab.Folder)/$end/s.sock",
        '--tunnels', "$($lab.Folder)/$end/tunnels.d", '--on-stop', 'release', '--until-input-ends', '--log', 'warning') {
        $start.ArgumentList.Add($argument)
    }
    $start.RedirectStandardInput = $true
    $process = [System.Diagnostics.Process]::Start($start)
    for ($i = 0; $i -lt 300 -and -not (Test-Path "$($lab.Folder)/$end/s.sock"); $i++) {
        if ($process.HasExited) {
            throw "The daemon of $end ended with exit code $($process.ExitCode)."
        }
        Start-Sleep -Milliseconds 100
    }
    $process
}

function Remove-TestLab($lab) {
    foreach ($process in $lab.West, $lab.East) {
        if ($process) {
            $process.StandardInput.Close()
            if (-not $process.WaitForExit(15000)) {
                $process.Kill()
            }
        }
    }
    foreach ($end in 'west', 'east') {
        ip netns del "$($lab.Id)-$end"
    }
    Remove-Item $lab.Folder -Recurse -Force
}

function Get-TestKey([string] $text = 'the same key at both ends') {
    ConvertTo-SecureString $text -AsPlainText -Force
}

# What New-PcpuTunnel takes for the tunnel's one end.
function Get-TestTunnel($lab, [ValidateSet('west', 'east')] [string] $end = 'west', [string] $name = 'lab') {
    $addresses = '192.0.2.1', '192.0.2.2'
    $selectors = '10.1.0.1/32', '10.2.0.1/32'
    $here, $there = $end -eq 'west' ? (0, 1) : (1, 0)
    @{
        Name           = $name
        LocalAddress   = $addresses[$here]
        RemoteAddress  = $addresses[$there]
        LocalSelector  = $selectors[$here]
        RemoteSelector = $selectors[$there]
        PreSharedKey   = Get-TestKey
        PerCpu         = $true
        Socket         = $lab."$($end)Socket"
    }
}

# A tunnel that is up at both ends.
function New-TestTunnel($lab) {
    $east = Get-TestTunnel $lab east
    $west = Get-TestTunnel $lab west
    $null = New-PcpuTunnel @east
    $null = New-PcpuTunnel @west
    $null = Start-PcpuTunnel lab -AllChildSa -Socket $lab.WestSocket
}

function Invoke-TestPing($lab, [int] $count = 3) {
    $PSNativeCommandUseErrorActionPreference = $false
    $output = ip netns exec "$($lab.Id)-west" ping -c $count -i 0.05 -W 1 -I 10.1.0.1 10.2.0.1
    [int][regex]::Match("$output", '(\d+) received').Groups[1].Value
}
