using System.Globalization;
using System.Xml.Linq;

namespace PcpuIpsec.Measurement;

/// <summary>
/// Draws throughput over the number of flows (and so of per-CPU SAs in use) as SVG, with the ideal line: what one per-CPU
/// SA carries, times their number. Follows the viewer's light or dark scheme.
/// </summary>
internal static class ThroughputChart
{
    private const double Width = 720, Height = 440, Left = 76, Right = 700, Top = 64, Bottom = 340, OffScale = 2.5;
    private static readonly XNamespace _svg = "http://www.w3.org/2000/svg";

    // Plain colours first, for viewers that know neither media queries nor a dark scheme.
    private const string Style = """
        text { font-family: system-ui, sans-serif; font-size: 13px; fill: #1f2328; } .title { font-size: 16px; font-weight: 600; } .soft { fill: #59636e; }
        .back { fill: #ffffff; } .grid { stroke: #d8dee4; } .line { fill: none; stroke-width: 2; }
        .per-cpu { stroke: #0969da; } .mark.per-cpu { fill: #0969da; } .ideal { stroke: #0969da; stroke-dasharray: 1 5; stroke-linecap: round; }
        .one-sa { stroke: #bc4c00; stroke-dasharray: 7 4; } .mark.one-sa { fill: #bc4c00; }
        .plaintext { stroke: #59636e; stroke-dasharray: 2 4; } .mark.plaintext { fill: #59636e; } .mark { stroke-dasharray: none; }
        @media (prefers-color-scheme: dark) {
          text { fill: #e6edf3; } .soft { fill: #9198a1; } .back { fill: #0d1117; } .grid { stroke: #30363d; }
          .per-cpu, .ideal { stroke: #58a6ff; } .mark.per-cpu { fill: #58a6ff; } .one-sa { stroke: #f0883e; } .mark.one-sa { fill: #f0883e; }
          .plaintext { stroke: #9198a1; } .mark.plaintext { fill: #9198a1; }
        }
        """;

    public static string Draw(LabResults results)
    {
        var series = new List<Series>();
        Add(RunKind.PerCpu, "per-cpu", "one SA per CPU");
        Add(RunKind.OneSa, "one-sa", "one SA");
        Add(RunKind.Plaintext, "plaintext", "plaintext");

        Series? perCpu = series.Find(s => s.Class == "per-cpu");
        if (perCpu?.Points.Find(p => p.Flows == 1) is { } single)
            series.Add(new("ideal", "ideal", [.. perCpu.Points.Select(p => new Point(p.Flows, p.Flows * single.Value, null))]));

        // Plaintext far above would press all others onto the axis: it is told then and not drawn.
        List<Series> drawn = series.FindAll(s => s.Class != "plaintext" || Highest(s) <= OffScale * series.Where(o => o != s).Select(Highest).DefaultIfEmpty(Highest(s)).Max());
        int most = Math.Max(1, series.SelectMany(s => s.Points).Select(p => p.Flows).DefaultIfEmpty(1).Max());
        double highest = drawn.Select(Highest).DefaultIfEmpty(1).Max();
        var scale = new Scale(most, NiceStep(highest / 5), highest);

        var root = new XElement(_svg + "svg",
            new XAttribute("viewBox", Invariant($"0 0 {Width} {Height}")),
            new XAttribute("width", Width),
            new XAttribute("height", Height),
            new XAttribute("role", "img"),
            new XElement(_svg + "title", "Throughput over the number of Child SAs"),
            new XElement(_svg + "desc", Describe(series)),
            new XElement(_svg + "style", Style),
            new XElement(_svg + "rect", new XAttribute("width", "100%"), new XAttribute("height", "100%"), new XAttribute("class", "back")),
            Text(Left, 28, "Throughput over the number of Child SAs", "title"),
            Text(Left, 48, Subtitle(results), "soft"));
        DrawAxes(root, scale);
        foreach (Series s in Enumerable.Reverse(drawn))
            DrawSeries(root, s, scale);
        DrawLegend(root, drawn);
        if (series.Except(drawn).FirstOrDefault() is { } above)
            root.Add(Text(Right, Bottom + 78, $"plaintext: {Range(above)}, off the scale", "soft", "end"));
        return new XDocument(root) + "\n";

        void Add(RunKind kind, string cssClass, string name)
        {
            List<Point> points = [.. results.Runs.Where(r => r.Kind == kind).OrderBy(r => r.Flows)
                .Select(r => new Point(r.Flows, r.Statistics.Mean, r.Statistics.ConfidenceInterval95))];
            if (points.Count > 0)
                series.Add(new(cssClass, name, points));
        }
    }

    private static double Highest(Series series) => series.Points.Max(p => p.Value + (p.Error ?? 0));

    private static string Range(Series series)
    {
        double most = series.Points.Max(p => p.Value), least = series.Points.Min(p => p.Value);
        string unit = most >= 2000 ? "Gb/s" : "Mb/s";
        return Label(least, most) == Label(most, most) ? $"{Label(most, most)} {unit}" : $"{Label(least, most)} to {Label(most, most)} {unit}";
    }

    private static string Subtitle(LabResults results)
        => $"{results.Options.Protocol.ToUpperInvariant()}, {results.Options.Mode} mode{(results.Options.Encapsulation ? ", ESP in UDP" : "")}, "
            + $"{results.DataPlane.Name} data plane, {results.Options.Seconds} s a run, {results.Host.CpuModel}, Linux {results.Host.Kernel}";

    private static string Describe(List<Series> series)
        => string.Join("; ", series.Select(s => $"{s.Name}: {string.Join(", ", s.Points.Select(p => Invariant($"{p.Flows} flows {p.Value:0} Mb/s")))}"));

    private static void DrawAxes(XElement root, Scale scale)
    {
        for (int i = 0; i * scale.Step <= scale.Top + (scale.Step / 2); i++)
        {
            double y = scale.Y(i * scale.Step);
            root.Add(Line(Left, y, Right, y, "grid"), Text(Left - 10, y + 4, Label(i * scale.Step, scale.Top), "soft", "end"));
        }
        int every = Math.Max(1, (int)Math.Ceiling(scale.Flows / 16.0));
        for (int flows = 1; flows <= scale.Flows; flows++)
        {
            if (flows % every == 0 || flows == 1)
                root.Add(Text(scale.X(flows), Bottom + 20, Invariant($"{flows}"), "soft", "middle"));
        }
        root.Add(
            Text((Left + Right) / 2, Bottom + 42, "flows, each pinned to a CPU (per-CPU SAs in use)", "soft", "middle"),
            new XElement(_svg + "text", new XAttribute("class", "soft"), new XAttribute("text-anchor", "middle"),
                new XAttribute("transform", Invariant($"translate(18 {(Top + Bottom) / 2:0.#}) rotate(-90)")), scale.Top >= 2000 ? "Gb/s" : "Mb/s"));
    }

    private static void DrawSeries(XElement root, Series series, Scale scale)
    {
        string path = string.Join(" ", series.Points.Select((p, i) => Invariant($"{(i == 0 ? 'M' : 'L')}{scale.X(p.Flows):0.#} {scale.Y(p.Value):0.#}")));
        root.Add(new XElement(_svg + "path", new XAttribute("class", $"line {series.Class}"), new XAttribute("d", path)));
        if (series.Class == "ideal")
            return;
        foreach (Point point in series.Points)
        {
            double x = scale.X(point.Flows), y = scale.Y(point.Value);
            if (point.Error is { } error)
                root.Add(Line(x, scale.Y(Math.Max(0, point.Value - error)), x, scale.Y(point.Value + error), $"{series.Class} mark"));
            root.Add(Mark(series.Class, x, y));
        }
    }

    private static void DrawLegend(XElement root, List<Series> series)
    {
        const double Entry = 142, Y = Bottom + 74;
        for (int i = 0; i < series.Count; i++)
        {
            double x = Left + (i * Entry);
            root.Add(Line(x, Y, x + 30, Y, $"line {series[i].Class}"));
            if (series[i].Class != "ideal")
                root.Add(Mark(series[i].Class, x + 15, Y));
            root.Add(Text(x + 38, Y + 4, series[i].Name));
        }
    }

    // A shape a series, so that nobody needs to tell colours apart.
    private static XElement Mark(string cssClass, double x, double y) => cssClass switch
    {
        "per-cpu" => new XElement(_svg + "circle", new XAttribute("class", "mark " + cssClass), new XAttribute("cx", Round(x)), new XAttribute("cy", Round(y)), new XAttribute("r", 4.5)),
        "one-sa" => new XElement(_svg + "rect", new XAttribute("class", "mark " + cssClass), new XAttribute("x", Round(x - 4)), new XAttribute("y", Round(y - 4)), new XAttribute("width", 8), new XAttribute("height", 8)),
        _ => new XElement(_svg + "path", new XAttribute("class", "mark " + cssClass), new XAttribute("d", Invariant($"M{x:0.#} {y - 5:0.#}l5 9h-10z"))),
    };

    private static XElement Line(double x1, double y1, double x2, double y2, string cssClass)
        => new(_svg + "line", new XAttribute("class", cssClass), new XAttribute("x1", Round(x1)), new XAttribute("y1", Round(y1)), new XAttribute("x2", Round(x2)), new XAttribute("y2", Round(y2)));

    private static XElement Text(double x, double y, string text, string? cssClass = null, string anchor = "start")
        => new(_svg + "text", cssClass is null ? null : new XAttribute("class", cssClass), new XAttribute("x", Round(x)), new XAttribute("y", Round(y)),
            anchor == "start" ? null : new XAttribute("text-anchor", anchor), text);

    private static string Label(double megabits, double top)
        => top >= 2000 ? (megabits / 1000).ToString("0.##", CultureInfo.InvariantCulture) : megabits.ToString("0.##", CultureInfo.InvariantCulture);

    private static double Round(double value) => Math.Round(value, 1);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);

    /// <summary>1, 2 or 5 times a power of ten, and not below what is asked for.</summary>
    internal static double NiceStep(double atLeast)
    {
        if (atLeast <= 0)
            return 1;
        double power = Math.Pow(10, Math.Floor(Math.Log10(atLeast)));
        foreach (double factor in (ReadOnlySpan<double>)[1, 2, 5])
        {
            if (factor * power >= atLeast * 0.999999)
                return factor * power;
        }
        return 10 * power;
    }

    private sealed record Series(string Class, string Name, List<Point> Points);

    private sealed record Point(int Flows, double Value, double? Error);

    private sealed record Scale(int Flows, double Step, double Highest)
    {
        public double Top { get; } = Math.Max(1, Math.Ceiling(Highest / Step)) * Step;

        // One flow alone stands in the middle.
        public double X(int flows) => Flows == 1 ? (Left + Right) / 2 : Left + 30 + ((Right - Left - 60) * (flows - 1) / (Flows - 1));

        public double Y(double value) => Bottom - ((Bottom - ThroughputChart.Top) * value / Top);
    }
}
