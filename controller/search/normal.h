/* The normal distribution, accurate in its tails. */
#ifndef ESPALIER_SEARCH_NORMAL_H
#define ESPALIER_SEARCH_NORMAL_H

double esp_normal_log_pdf(double z);
/* P(Z <= z), and its logarithm for any z. */
double esp_normal_p(double z);
double esp_normal_log_p(double z);
/* log P(a < Z < b), a < b. */
double esp_normal_log_mass(double a, double b);
/* z with P(Z <= z) = p, for p in (0, 1). */
double esp_normal_z(double p);

/* log of h(z) = φ(z) + z·Φ(z): the expected improvement of a normal with standard deviation 1
 * whose mean lies z below the incumbent. Accurate for z down to -1e8 (Ament et al., "Unexpected
 * improvements to expected improvement", NeurIPS 2023, section 4.1). */
double esp_log_improvement(double z);

#endif
