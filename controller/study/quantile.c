/* Normal: Wichura, "Algorithm AS 241: The percentage points of the normal distribution",
 * Applied Statistics 37 (1988), PPND16. Beta: the continued fraction of the incomplete beta
 * function (NIST Handbook, 8.17.22) by Lentz's method as modified by Thompson and Barnett; its
 * inverse by Newton steps inside a bracket that only shrinks. */
#include "quantile.h"

#include <float.h>
#include <math.h>

/* Terms of the continued fraction: O(sqrt(max(a, b))) are needed, and a, b ≤ 1e6. */
#define FRACTION_MAX 10000
/* At worst each step halves the bracket, and 1100 halvings reach the smallest double. */
#define STEPS_MAX 1200

double esp_normal_cdf(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

/* Horner's rule; c[0] is the constant term. */
static double polynomial(const double c[8], double x)
{
    double sum = c[7];

    for (int i = 6; i >= 0; i--) {
        sum = sum * x + c[i];
    }
    return sum;
}

double esp_normal_quantile(double p)
{
    static const double a[8] = {3.3871328727963666080e0,
                                1.3314166789178437745e+2,
                                1.9715909503065514427e+3,
                                1.3731693765509461125e+4,
                                4.5921953931549871457e+4,
                                6.7265770927008700853e+4,
                                3.3430575583588128105e+4,
                                2.5090809287301226727e+3};
    static const double b[8] = {1.0,
                                4.2313330701600911252e+1,
                                6.8718700749205790830e+2,
                                5.3941960214247511077e+3,
                                2.1213794301586595867e+4,
                                3.9307895800092710610e+4,
                                2.8729085735721942674e+4,
                                5.2264952788528545610e+3};
    static const double c[8] = {1.42343711074968357734e0,
                                4.63033784615654529590e0,
                                5.76949722146069140550e0,
                                3.64784832476320460504e0,
                                1.27045825245236838258e0,
                                2.41780725177450611770e-1,
                                2.27238449892691845833e-2,
                                7.74545014278341407640e-4};
    static const double d[8] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9};
    static const double e[8] = {6.65790464350110377720e0,
                                5.46378491116411436990e0,
                                1.78482653991729133580e0,
                                2.96560571828504891230e-1,
                                2.65321895265761230930e-2,
                                1.24266094738807843860e-3,
                                2.71155556874348757815e-5,
                                2.01033439929228813265e-7};
    static const double f[8] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    double q = p - 0.5;
    double r;
    double z;

    if (fabs(q) <= 0.425) {
        r = 0.180625 - q * q;
        return q * polynomial(a, r) / polynomial(b, r);
    }
    r = sqrt(-log(q < 0 ? p : 1 - p));
    z = r <= 5 ? polynomial(c, r - 1.6) / polynomial(d, r - 1.6)
               : polynomial(e, r - 5) / polynomial(f, r - 5);
    return q < 0 ? -z : z;
}

static double log_beta(double a, double b)
{
    int sign;

    return lgamma_r(a, &sign) + lgamma_r(b, &sign) - lgamma_r(a + b, &sign);
}

static double away_from_zero(double x)
{
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* The continued fraction of I_x(a, b), which converges fast for x < (a + 1) / (a + b + 2). */
static double fraction(double x, double a, double b)
{
    double c = 1;
    double d = 1 / away_from_zero(1 - (a + b) * x / (a + 1));
    double h = d;

    for (int m = 1; m <= FRACTION_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double step;
        d = 1 / away_from_zero(1 + even * d);
        c = away_from_zero(1 + even / c);
        h *= d * c;
        d = 1 / away_from_zero(1 + odd * d);
        c = away_from_zero(1 + odd / c);
        step = d * c;
        h *= step;
        if (fabs(step - 1) <= DBL_EPSILON) {
            break;
        }
    }
    return h;
}

double esp_beta_cdf(double x, double a, double b)
{
    double front;

    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }
    front = exp(a * log(x) + b * log1p(-x) - log_beta(a, b));
    if (x < (a + 1) / (a + b + 2)) {
        return front * fraction(x, a, b) / a;
    }
    return 1 - front * fraction(1 - x, b, a) / b;
}

double esp_beta_quantile(double p, double a, double b)
{
    double low = 0;
    double high = 1;
    double scale = log_beta(a, b);
    double x = a / (a + b);

    if (p <= 0 || p >= 1) {
        return p <= 0 ? 0 : 1;
    }
    for (int i = 0; i < STEPS_MAX && high > low; i++) {
        double excess = esp_beta_cdf(x, a, b) - p;
        double density = exp((a - 1) * log(x) + (b - 1) * log1p(-x) - scale);
        double next = x - excess / density;
        if (excess == 0) {
            break;
        }
        if (excess > 0) {
            high = x;
        } else {
            low = x;
        }
        /* A step out of the bracket, or NaN where the density is 0 or infinite: halve the
         * bracket instead. Near 0 it is halved in the logarithm, as small shapes have their
         * quantiles there. */
        if (!(next > low && next < high)) {
            next = low > 0 && high / low > 4    ? sqrt(low) * sqrt(high)
                   : low == 0 && high > DBL_MIN ? high / 16
                                                : low + (high - low) / 2;
        }
        if (fabs(next - x) <= DBL_EPSILON / 2 * x || next == low || next == high) {
            x = next;
            break;
        }
        x = next;
    }
    return x;
}
