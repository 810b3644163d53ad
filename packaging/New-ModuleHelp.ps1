<#
.SYNOPSIS
    Writes the module's help (MAML) from the documentation comments of its cmdlets: one source for both.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Library,
    [Parameter(Mandatory)] [string] $About
)
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest

$members = @{}
foreach ($member in ([xml](Get-Content "$Library/PcpuIpsec.PowerShell.xml" -Raw)).doc.members.member) {
    $members[$member.name] = $member
}

function Get-Text([System.Xml.XmlNode] $node) {
    # References print their last word.
    $text = $node.InnerXml -replace '<see cref="[^"]*?([A-Za-z]+)" ?/>', '$1' -replace '<[^>]+>', ''
    [System.Net.WebUtility]::HtmlDecode($text).Trim() -replace '\s+', ' '
}

function Get-Summary([string] $name) {
    if (-not $members.ContainsKey($name)) {
        throw "$name has no documentation comment."
    }
    Get-Text $members[$name].SelectSingleNode('summary')
}

# From the cmdlet's class upwards: a parameter is documented where it is declared.
function Get-ParameterSummary([type] $type, [string] $parameter) {
    for (; $type; $type = $type.BaseType) {
        if ($members.ContainsKey("P:$type.$parameter")) {
            return Get-Summary "P:$type.$parameter"
        }
    }
    throw "The parameter $parameter has no documentation comment."
}

function Write-Paragraph([string] $text) {
    $writer.WriteElementString('para', $maml, $text)
}

# "…; 500 unless given". What Set- is not given stays.
function Get-Default($cmdlet, $parameter, [string] $summary) {
    if ($parameter.ParameterType -eq [switch]) {
        'False'
    }
    elseif ($cmdlet.Verb -eq 'Set' -and $parameter.Name -ne 'Socket') {
        $parameter.IsMandatory ? 'None' : 'As it is'
    }
    else {
        $summary -match '(?<=[;,] )([^;,]+) unless given' ? $Matches[1] : 'None'
    }
}

# Those of the engine, in cmdlets that change something.
$engine = @{
    WhatIf  = 'Says what would be done, and does not do it.'
    Confirm = 'Asks before it is done; -Confirm:$false does not ask where it would be asked.'
}

function Write-Parameter($cmdlet, $parameter) {
    $summary = $engine[$parameter.Name] ?? (Get-ParameterSummary $cmdlet.ImplementingType $parameter.Name)
    $writer.WriteStartElement('parameter', $command)
    $writer.WriteAttributeString('required', "$($parameter.IsMandatory)".ToLowerInvariant())
    $writer.WriteAttributeString('globbing', "$(@($cmdlet.Parameters[$parameter.Name].Attributes.Where{ $_ -is [SupportsWildcards] }).Count -gt 0)".ToLowerInvariant())
    $input = @(if ($parameter.ValueFromPipeline) { 'ByValue' }; if ($parameter.ValueFromPipelineByPropertyName) { 'ByPropertyName' })
    $writer.WriteAttributeString('pipelineInput', $input ? "true ($($input -join ', '))" : 'false')
    $writer.WriteAttributeString('position', $parameter.Position -ge 0 ? "$($parameter.Position)" : 'named')
    $writer.WriteAttributeString('aliases', $parameter.Aliases ? $parameter.Aliases -join ', ' : 'none')
    $writer.WriteElementString('name', $maml, $parameter.Name)
    $writer.WriteStartElement('description', $maml)
    Write-Paragraph $summary
    $writer.WriteEndElement()
    $type = [Nullable]::GetUnderlyingType($parameter.ParameterType) ?? $parameter.ParameterType
    if ($type -ne [switch]) {
        $writer.WriteStartElement('parameterValue', $command)
        $writer.WriteAttributeString('required', 'true')
        $writer.WriteString($type.Name)
        $writer.WriteEndElement()
        if ($type.IsEnum) {
            $writer.WriteStartElement('parameterValueGroup', $command)
            foreach ($name in [Enum]::GetNames($type)) {
                $writer.WriteElementString('parameterValue', $command, $name)
            }
            $writer.WriteEndElement()
        }
    }
    $writer.WriteElementString('defaultValue', $dev, (Get-Default $cmdlet $parameter $summary))
    $writer.WriteEndElement()
}

function Write-Cmdlet($cmdlet) {
    $summary = Get-Summary "T:$($cmdlet.ImplementingType)"
    $common = [System.Management.Automation.Cmdlet]::CommonParameters
    $writer.WriteStartElement('command', 'command', $command)
    $writer.WriteStartElement('details', $command)
    $writer.WriteElementString('name', $command, $cmdlet.Name)
    $writer.WriteStartElement('description', $maml)
    Write-Paragraph ($summary -replace '(?<=\.)\s.*$', '')
    $writer.WriteEndElement()
    $writer.WriteElementString('verb', $command, $cmdlet.Verb)
    $writer.WriteElementString('noun', $command, $cmdlet.Noun)
    $writer.WriteEndElement()
    $writer.WriteStartElement('description', $maml)
    Write-Paragraph $summary
    $writer.WriteEndElement()

    $writer.WriteStartElement('syntax', $command)
    foreach ($set in $cmdlet.ParameterSets) {
        $writer.WriteStartElement('syntaxItem', $command)
        $writer.WriteElementString('name', $maml, $cmdlet.Name)
        foreach ($parameter in $set.Parameters.Where{ $_.Name -notin $common } | Sort-Object { $_.Position -lt 0 }, Position, { -not $_.IsMandatory }, { $engine.ContainsKey($_.Name) }, Name) {
            Write-Parameter $cmdlet $parameter
        }
        $writer.WriteEndElement()
    }
    $writer.WriteEndElement()

    $writer.WriteStartElement('parameters', $command)
    foreach ($parameter in $cmdlet.ParameterSets.Parameters.Where{ $_.Name -notin $common } | Sort-Object Name -Unique) {
        Write-Parameter $cmdlet $parameter
    }
    $writer.WriteEndElement()

    $writer.WriteStartElement('returnValues', $command)
    foreach ($output in $cmdlet.OutputType) {
        $writer.WriteStartElement('returnValue', $command)
        $writer.WriteStartElement('type', $dev)
        $writer.WriteElementString('name', $maml, $output.Name)
        $writer.WriteEndElement()
        $writer.WriteEndElement()
    }
    $writer.WriteEndElement()

    $examples = @($members["T:$($cmdlet.ImplementingType)"].SelectNodes('example'))
    if (-not $examples) {
        throw "$($cmdlet.Name) has no example."
    }
    $writer.WriteStartElement('examples', $command)
    for ($i = 0; $i -lt $examples.Count; $i++) {
        $writer.WriteStartElement('example', $command)
        $writer.WriteElementString('title', $maml, "-------------------------- Example $($i + 1) --------------------------")
        $writer.WriteElementString('code', $dev, (Get-Text $examples[$i].SelectSingleNode('code')))
        $writer.WriteStartElement('remarks', $dev)
        Write-Paragraph (Get-Text $examples[$i].SelectSingleNode('para'))
        $writer.WriteEndElement()
        $writer.WriteEndElement()
    }
    $writer.WriteEndElement()
    $writer.WriteEndElement()
}

$imported = Import-Module "$Library/PcpuIpsec.PowerShell.dll" -PassThru
$maml = 'http://schemas.microsoft.com/maml/2004/10'
$command = 'http://schemas.microsoft.com/maml/dev/command/2004/10'
$dev = 'http://schemas.microsoft.com/maml/dev/2004/10'
$folder = (New-Item "$Library/en-US" -ItemType Directory -Force).FullName
$writer = [System.Xml.XmlWriter]::Create("$folder/PcpuIpsec.PowerShell.dll-Help.xml", [System.Xml.XmlWriterSettings]@{ Indent = $true })
try {
    $writer.WriteStartElement('helpItems', 'http://msh')
    $writer.WriteAttributeString('schema', 'maml')
    foreach ($cmdlet in Get-Command -Module $imported.Name -CommandType Cmdlet | Sort-Object Name) {
        Write-Cmdlet $cmdlet
    }
    $writer.WriteEndElement()
}
finally {
    $writer.Dispose()
}
# Topics are looked for beside the manifest.
$topics = (New-Item "$Library/../en-US" -ItemType Directory -Force).FullName
Copy-Item $About $topics
