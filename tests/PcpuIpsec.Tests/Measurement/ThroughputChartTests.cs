using System.Globalization;
using System.Xml.Linq;
using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

public class ThroughputChartTests
{
    private static readonly XNamespace _svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void It_is_valid_xml_whatever_the_cpu_is_called()
    {
        XElement root = Draw(SampleResults.Make());

        Assert.Equal(_svg + "svg", root.Name);
        Assert.Contains("A CPU <fast> & \"quoted\"", root.Value);
    }

    [Fact]
    public void Every_run_has_its_mark_and_the_ideal_line_none()
    {
        XElement root = Draw(SampleResults.Make(1,
            (RunKind.Plaintext, 1, 3000), (RunKind.Plaintext, 2, 5000), (RunKind.OneSa, 1, 1500), (RunKind.OneSa, 2, 1600), (RunKind.PerCpu, 1, 1480), (RunKind.PerCpu, 2, 2900)));

        // Two runs a series and one in the legend.
        Assert.Equal(3, Count(root, "circle", "mark per-cpu"));
        Assert.Equal(3, Count(root, "rect", "mark one-sa"));
        Assert.Equal(3, Count(root, "path", "mark plaintext"));
        Assert.Equal(1, Count(root, "path", "line ideal"));
    }

    [Fact]
    public void Plaintext_far_above_is_told_and_not_drawn()
    {
        XElement root = Draw(SampleResults.Make());

        Assert.Equal(0, Count(root, "path", "mark plaintext"));
        Assert.Equal(3, Count(root, "circle", "mark per-cpu"));
        Assert.Contains("plaintext: 9 to 17 Gb/s, off the scale", root.Value);
    }

    [Fact]
    public void The_ideal_line_is_the_first_per_cpu_run_times_the_number()
    {
        XElement root = Draw(SampleResults.Make(1, (RunKind.PerCpu, 1, 1000), (RunKind.PerCpu, 2, 1500), (RunKind.PerCpu, 3, 3000)));

        Assert.Equal([1.0, 2.0, 3.0], Heights(root, "line ideal"), new Close());
        Assert.Equal([1.0, 1.5, 3.0], Heights(root, "line per-cpu"), new Close());
    }

    [Fact]
    public void Repeated_runs_have_error_bars()
    {
        Assert.Equal(0, Count(Draw(SampleResults.Make(repeat: 1)), "line", "per-cpu mark"));
        Assert.Equal(2, Count(Draw(SampleResults.Make(repeat: 3)), "line", "per-cpu mark"));
    }

    [Fact]
    public void Nothing_lies_outside_of_the_picture()
    {
        XElement root = Draw(SampleResults.Make(5, [.. Enumerable.Range(1, 128).Select(n => (RunKind.PerCpu, n, 123.4 * n))]));

        foreach (XAttribute a in root.Descendants().Attributes().Where(a => a.Name.LocalName is "x" or "x1" or "x2" or "cx"))
            Assert.InRange(double.Parse(a.Value, CultureInfo.InvariantCulture), 0, 720);
        foreach (XAttribute a in root.Descendants().Attributes().Where(a => a.Name.LocalName is "y" or "y1" or "y2" or "cy"))
            Assert.InRange(double.Parse(a.Value, CultureInfo.InvariantCulture), 0, 440);
    }

    [Fact]
    public void One_cpu_alone_can_be_drawn()
        => Assert.Equal(2, Count(Draw(SampleResults.Make(1, (RunKind.PerCpu, 1, 0.5))), "circle", "mark per-cpu"));

    [Fact]
    public void It_follows_a_dark_scheme()
        => Assert.Contains("prefers-color-scheme: dark", ThroughputChart.Draw(SampleResults.Make()));

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(1.1, 2)]
    [InlineData(340, 500)]
    [InlineData(501, 1000)]
    [InlineData(0.03, 0.05)]
    public void Steps_are_1_2_or_5_times_a_power_of_ten(double atLeast, double expected)
        => Assert.Equal(expected, ThroughputChart.NiceStep(atLeast), 9);

    private static XElement Draw(LabResults results) => XDocument.Parse(ThroughputChart.Draw(results)).Root!;

    private static int Count(XElement root, string element, string cssClass)
        => root.Descendants(_svg + element).Count(e => (string?)e.Attribute("class") == cssClass);

    // The heights of a line's points above the axis, the first one's being 1.
    private static double[] Heights(XElement root, string cssClass)
    {
        const double Bottom = 340;
        string path = (string)root.Descendants(_svg + "path").Single(e => (string?)e.Attribute("class") == cssClass).Attribute("d")!;
        double[] heights = [.. path.Split(' ').Where((_, i) => i % 2 == 1).Select(y => Bottom - double.Parse(y, CultureInfo.InvariantCulture))];
        return [.. heights.Select(h => h / heights[0])];
    }

    private sealed class Close : IEqualityComparer<double>
    {
        public bool Equals(double x, double y) => Math.Abs(x - y) < 0.01;

        public int GetHashCode(double obj) => 0;
    }
}
