namespace PcpuIpsec.Measurement;

/// <summary>Student's t distribution for whole degrees of freedom, from its closed form (Abramowitz and Stegun 26.7.3, 26.7.4).</summary>
internal static class StudentT
{
    /// <summary>The value that |t| stays below with the probability given (two-sided).</summary>
    public static double TwoSidedQuantile(double probability, int degreesOfFreedom)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(degreesOfFreedom, 1);
        if (probability is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(probability), probability, "A probability between 0 and 1, both excluded.");

        double low = 0, high = 1;
        while (ProbabilityWithin(high, degreesOfFreedom) < probability)
            (low, high) = (high, high * 2);

        // 100 halvings are far below the spacing of doubles, so the loop ends when nothing lies between the bounds.
        for (int i = 0; i < 100; i++)
        {
            double middle = (low + high) / 2;
            if (middle <= low || middle >= high)
                break;
            if (ProbabilityWithin(middle, degreesOfFreedom) < probability)
                low = middle;
            else
                high = middle;
        }
        return (low + high) / 2;
    }

    /// <summary>The probability that |t| is at most the value.</summary>
    public static double ProbabilityWithin(double t, int degreesOfFreedom)
    {
        double theta = Math.Atan(t / Math.Sqrt(degreesOfFreedom));
        double sin = Math.Sin(theta), cos = Math.Cos(theta);
        bool odd = degreesOfFreedom % 2 != 0;

        // Odd:  2/pi * (theta + sin * (cos + 2/3 cos^3 + ... )), even: sin * (1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ...).
        double term = odd ? cos : 1, sum = 0;
        for (int k = odd ? 1 : 0; k <= degreesOfFreedom - 2; k += 2)
        {
            sum += term;
            term *= cos * cos * (k + 1) / (k + 2);
        }
        return odd ? 2 / Math.PI * (theta + (sin * sum)) : sin * sum;
    }
}
