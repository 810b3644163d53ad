using System.Text.Json.Serialization;

namespace PcpuIpsec.Measurement;

/// <summary>What a sample says of the mean it was drawn from. What one value alone cannot tell is null.</summary>
/// <param name="Count">Number of values.</param>
/// <param name="Mean">Arithmetic mean.</param>
/// <param name="Median">The middle value, or the mean of the two in the middle.</param>
/// <param name="StandardDeviation">Of the sample (divided by n - 1); null below two values.</param>
/// <param name="ConfidenceInterval95">Half the width of the 95 % confidence interval of the mean (Student t); null below two values.</param>
internal sealed record SampleStatistics(int Count, double Mean, double Median, double? StandardDeviation, double? ConfidenceInterval95)
{
    /// <summary>The whole width of the 95 % interval as a share of the mean; null where there is none.</summary>
    [JsonIgnore]
    public double? RelativeWidth => ConfidenceInterval95 is { } half && Mean != 0 ? 2 * half / Math.Abs(Mean) : null;

    /// <summary>Computes the statistics of at least one value.</summary>
    public static SampleStatistics Of(IReadOnlyCollection<double> values)
    {
        if (values.Count == 0)
            throw new ArgumentException("At least one value.", nameof(values));

        double[] sorted = [.. values.Order()];
        int n = sorted.Length;
        double mean = sorted.Sum() / n;
        double median = n % 2 == 1 ? sorted[n / 2] : (sorted[(n / 2) - 1] + sorted[n / 2]) / 2;
        if (n == 1)
            return new(1, mean, median, null, null);

        double deviation = Math.Sqrt(sorted.Sum(v => (v - mean) * (v - mean)) / (n - 1));
        double half = StudentT.TwoSidedQuantile(0.95, n - 1) * deviation / Math.Sqrt(n);
        return new(n, mean, median, deviation, half);
    }
}
