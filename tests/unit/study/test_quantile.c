/* Normal and beta distributions against published values and closed forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../controller/study/quantile.h"

#include <math.h>

static void assert_close(double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance * fmax(fabs(wanted), 1e-300))) {
        fail_msg("%.17g is not %.17g within %g", got, wanted, tolerance);
    }
}

/* AS 241's own check values, and tables of the normal distribution. */
static void normal_quantiles_match_published_values(void **state)
{
    (void)state;
    assert_close(esp_normal_quantile(0.25), -0.6744897501960817, 1e-15);
    assert_close(esp_normal_quantile(0.001), -3.090232306167814, 1e-15);
    assert_close(esp_normal_quantile(1e-20), -9.262340089798408, 1e-15);
    assert_close(esp_normal_quantile(0.975), 1.959963984540054, 1e-15);
    assert_true(esp_normal_quantile(0.5) == 0);
}

static void the_normal_quantile_inverts_its_distribution(void **state)
{
    (void)state;
    for (int i = 1; i < 2000; i++) {
        double p = i / 2000.0;
        assert_close(esp_normal_cdf(esp_normal_quantile(p)), p, 1e-14);
    }
    for (double p = 0.5; p > 1e-300; p /= 7) {
        assert_close(esp_normal_cdf(esp_normal_quantile(p)), p, 1e-12);
    }
}

/* Closed forms: Beta(1, 1) is uniform, Beta(a, 1) is x^a, Beta(1, b) is 1 - (1 - x)^b,
 * Beta(1/2, 1/2) is the arcsine law, Beta(2, 2) is 3x² - 2x³. */
static void beta_matches_its_closed_forms(void **state)
{
    (void)state;
    for (int i = 1; i < 100; i++) {
        double x = i / 100.0;
        assert_close(esp_beta_cdf(x, 1, 1), x, 1e-13);
        assert_close(esp_beta_cdf(x, 3.5, 1), pow(x, 3.5), 1e-12);
        assert_close(esp_beta_cdf(x, 1, 0.7), -expm1(0.7 * log1p(-x)), 1e-12);
        assert_close(esp_beta_cdf(x, 0.5, 0.5), 2 / M_PI * asin(sqrt(x)), 1e-12);
        assert_close(esp_beta_cdf(x, 2, 2), x * x * (3 - 2 * x), 1e-12);
        assert_close(esp_beta_quantile(x, 1, 1), x, 1e-13);
        assert_close(esp_beta_quantile(x, 4, 1), pow(x, 0.25), 1e-12);
        assert_close(esp_beta_quantile(x, 0.5, 0.5), pow(sin(M_PI * x / 2), 2), 1e-11);
    }
}

/* An independent formula: for integers a and b, I_x(a, b) is a binomial tail. */
static void beta_matches_the_binomial_tail(void **state)
{
    (void)state;
    for (int a = 1; a <= 12; a++) {
        for (int b = 1; b <= 12; b++) {
            double x = 0.37;
            int n = a + b - 1;
            double tail = 0;
            for (int j = a; j <= n; j++) {
                tail += exp(lgamma(n + 1) - lgamma(j + 1) - lgamma(n - j + 1) + j * log(x) +
                            (n - j) * log1p(-x));
            }
            assert_close(esp_beta_cdf(x, a, b), tail, 1e-12);
        }
    }
}

static void the_beta_quantile_inverts_its_distribution(void **state)
{
    const double shapes[] = {0.01, 0.3, 1, 2, 7, 50, 1000, 1e6};

    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t j = 0; j < sizeof shapes / sizeof shapes[0]; j++) {
            double previous = 0;
            for (int k = 1; k < 20; k++) {
                double p = k / 20.0;
                double x = esp_beta_quantile(p, shapes[i], shapes[j]);
                assert_true(x >= previous && x <= 1);
                previous = x;
                /* Near 1, adjacent doubles differ in p by more than the tolerance. */
                double below = esp_beta_cdf(nextafter(x, 0), shapes[i], shapes[j]);
                double above = esp_beta_cdf(nextafter(x, 1), shapes[i], shapes[j]);
                assert_true(below - 1e-8 <= p && p <= above + 1e-8);
            }
        }
    }
    assert_true(esp_beta_quantile(0, 2, 3) == 0 && esp_beta_quantile(1, 2, 3) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_quantiles_match_published_values),
        cmocka_unit_test(the_normal_quantile_inverts_its_distribution),
        cmocka_unit_test(beta_matches_its_closed_forms),
        cmocka_unit_test(beta_matches_the_binomial_tail),
        cmocka_unit_test(the_beta_quantile_inverts_its_distribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
