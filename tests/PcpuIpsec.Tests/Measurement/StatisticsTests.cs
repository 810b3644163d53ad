using PcpuIpsec.Measurement;

namespace PcpuIpsec.Tests.Measurement;

public class StatisticsTests
{
    [Theory]
    [InlineData(1, 12.7062047)]
    [InlineData(2, 4.3026527)]
    [InlineData(3, 3.1824463)]
    [InlineData(4, 2.7764451)]
    [InlineData(9, 2.2621572)]
    [InlineData(11, 2.2009852)]
    [InlineData(30, 2.04227246)]
    [InlineData(1000, 1.9623391)]
    public void The_95_percent_quantile_is_the_one_in_the_tables(int degreesOfFreedom, double expected)
        => Assert.Equal(expected, StudentT.TwoSidedQuantile(0.95, degreesOfFreedom), 6);

    [Theory]
    [InlineData(1, 63.6567412)]
    [InlineData(10, 3.1692727)]
    public void The_99_percent_quantile_is_the_one_in_the_tables(int degreesOfFreedom, double expected)
        => Assert.Equal(expected, StudentT.TwoSidedQuantile(0.99, degreesOfFreedom), 6);

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.0)]
    [InlineData(double.NaN)]
    public void A_probability_that_is_none_is_refused(double probability)
        => Assert.Throws<ArgumentOutOfRangeException>(() => StudentT.TwoSidedQuantile(probability, 3));

    [Fact]
    public void No_degree_of_freedom_is_refused()
        => Assert.Throws<ArgumentOutOfRangeException>(() => StudentT.TwoSidedQuantile(0.95, 0));

    [Fact]
    public void Statistics_of_a_known_sample_are_right()
    {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, sum of squares 32, so s = sqrt(32/7); t(7) = 2.36462425.
        SampleStatistics s = SampleStatistics.Of([9, 2, 5, 4, 4, 7, 4, 5]);

        Assert.Equal(8, s.Count);
        Assert.Equal(5, s.Mean, 12);
        Assert.Equal(4.5, s.Median, 12);
        Assert.Equal(Math.Sqrt(32.0 / 7), s.StandardDeviation!.Value, 12);
        Assert.Equal(2.36462425 * Math.Sqrt(32.0 / 7) / Math.Sqrt(8), s.ConfidenceInterval95!.Value, 6);
        Assert.Equal(2 * s.ConfidenceInterval95.Value / 5, s.RelativeWidth!.Value, 12);
    }

    [Fact]
    public void The_median_of_an_odd_number_of_values_is_the_middle_one()
        => Assert.Equal(3, SampleStatistics.Of([100, 1, 3]).Median);

    [Fact]
    public void One_value_has_a_mean_and_no_spread()
    {
        SampleStatistics s = SampleStatistics.Of([42.5]);

        Assert.Equal(42.5, s.Mean);
        Assert.Equal(42.5, s.Median);
        Assert.Null(s.StandardDeviation);
        Assert.Null(s.ConfidenceInterval95);
        Assert.Null(s.RelativeWidth);
    }

    [Fact]
    public void Equal_values_have_an_interval_of_no_width()
        => Assert.Equal(0, SampleStatistics.Of([7, 7, 7]).ConfidenceInterval95);

    [Fact]
    public void No_values_are_refused() => Assert.Throws<ArgumentException>(() => SampleStatistics.Of([]));

    [Fact]
    public void The_interval_covers_the_true_mean_in_95_of_100_samples()
    {
        var random = new Random(20250611);
        int covered = 0;
        for (int i = 0; i < 4000; i++)
        {
            double[] sample = [.. Enumerable.Range(0, 5).Select(_ => 10 + (3 * Normal(random)))];
            SampleStatistics s = SampleStatistics.Of(sample);
            if (Math.Abs(s.Mean - 10) <= s.ConfidenceInterval95)
                covered++;
        }
        Assert.InRange(covered / 4000.0, 0.94, 0.96);
    }

    private static double Normal(Random random)
        => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
