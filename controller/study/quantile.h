/* Distribution functions of the normal and the beta distribution, and their inverses. */
#ifndef CONTROLLER_STUDY_QUANTILE_H
#define CONTROLLER_STUDY_QUANTILE_H

/* The standard normal: P(Z <= z), and the z with P(Z <= z) = p for p in (0, 1), to about 1e-15
 * relative. */
double esp_normal_cdf(double z);
double esp_normal_quantile(double p);

/* The beta distribution with a, b > 0: P(X <= x) for x in [0, 1], and its inverse for p in [0,
 * 1]. */
double esp_beta_cdf(double x, double a, double b);
double esp_beta_quantile(double p, double a, double b);

#endif
