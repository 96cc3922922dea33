#include "normal.h"

#include <math.h>

#define LOG_SQRT_2PI 0.91893853320467274178

double esp_normal_log_pdf(double z)
{
    return -0.5 * z * z - LOG_SQRT_2PI;
}

double esp_normal_p(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

double esp_normal_log_p(double z)
{
    if (z > 5) {
        return log1p(-0.5 * erfc(z * M_SQRT1_2));
    }
    if (z > -30) {
        return log(esp_normal_p(z));
    }
    /* Mills ratio: Φ(z) = φ(z)/|z|·(1 − 1/z² + 3/z⁴ − 15/z⁶ …); at 30 the next term is 1e-10.
     */
    double w = 1 / (z * z);
    return esp_normal_log_pdf(z) - log(-z) + log1p(w * (-1 + w * (3 + w * (-15 + w * 105))));
}

double esp_normal_log_mass(double a, double b)
{
    if (a > 0) { /* the tail that is not near 1 */
        double swap = -a;
        a = -b;
        b = swap;
    }
    double high = esp_normal_log_p(b), low = esp_normal_log_p(a);
    return low == -INFINITY ? high : high + log1p(-exp(low - high));
}

double esp_normal_z(double p)
{
    if (p > 0.5) {
        return -esp_normal_z(1 - p);
    }
    /* Abramowitz and Stegun 26.2.23, then Halley steps on the distribution function. */
    double t = sqrt(-2 * log(p));
    double z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                         (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for (int i = 0; i < 3; i++) {
        double e =
            exp(esp_normal_log_p(z) - esp_normal_log_pdf(z)) - p * exp(-esp_normal_log_pdf(z));
        z -= e / (1 + 0.5 * z * e);
    }
    return z;
}

double esp_log_improvement(double z)
{
    if (z > -1) {
        return log(exp(esp_normal_log_pdf(z)) + z * esp_normal_p(z));
    }
    if (z > -1e4) {
        /* φ(z)·(1 − |z|·Mills(z)), with Mills = Φ(z)/φ(z) */
        double ratio = esp_normal_log_p(z) - esp_normal_log_pdf(z) + log(-z);
        /* For large |z| the difference cancels: 1 − e^ratio = 1/z² − 3/z⁴ + 15/z⁶ … */
        double rest = -expm1(ratio);
        if (z < -30) {
            double w = 1 / (z * z);
            rest = w * (1 + w * (-3 + w * (15 - w * 105)));
        }
        return esp_normal_log_pdf(z) + log(rest);
    }
    return esp_normal_log_pdf(z) - 2 * log(-z);
}
