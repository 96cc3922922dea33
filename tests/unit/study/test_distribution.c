/* Distributions against their closed forms, and quantised ones against W&B's rounding. */
#include "texts.h"

static void assert_close(double got, double wanted, double tolerance)
{
    if (!(fabs(got - wanted) <= tolerance * fmax(fabs(wanted), 1e-9))) {
        fail_msg("%.17g is not %.17g within %g", got, wanted, tolerance);
    }
}

/* Values of u in [0, 1], with both ends. */
#define FOR_U(u) for (double u = 0; u < 1; u += 1.0 / 1024)

static void uniform_is_linear_in_u(void **state)
{
    struct esp_study *s = read_param("distribution: uniform, min: -2, max: 6");

    (void)state;
    FOR_U(u)
    {
        assert_close(esp_param_draw(&s->params[0], u), -2 + 8 * u, 1e-15);
    }
    esp_study_destroy(s);
}

static void
log_uniform_bounds_are_exponents_and_log_uniform_values_bounds_are_values(void **state)
{
    struct esp_study *e = read_param("distribution: log_uniform, min: -9.2, max: -2.3");
    struct esp_study *v = read_param("distribution: log_uniform_values, min: 1e-4, max: 3e-2");

    (void)state;
    FOR_U(u)
    {
        assert_close(esp_param_draw(&e->params[0], u), exp(-9.2 + 6.9 * u), 1e-14);
        assert_close(esp_param_draw(&v->params[0], u), 1e-4 * pow(300, u), 1e-13);
    }
    /* The ends are exactly the numbers in the file. */
    assert_true(esp_param_draw(&v->params[0], 0) == 1e-4);
    assert_true(esp_param_draw(&v->params[0], 1) == 3e-2);
    esp_study_destroy(e);
    esp_study_destroy(v);
}

static void inverse_log_uniform_is_uniform_in_the_logarithm_of_the_inverse(void **state)
{
    struct esp_study *e = read_param("distribution: inv_log_uniform, min: 1, max: 5");
    struct esp_study *v = read_param("distribution: inv_log_uniform_values, min: 0.01, max: 2");

    (void)state;
    FOR_U(u)
    {
        double x = esp_param_draw(&e->params[0], u);
        double y = esp_param_draw(&v->params[0], u);
        /* W&B: exp(-ppf(1 - u)) with ppf uniform on [min, max]. */
        assert_close(x, exp(-(1 + (1 - u) * 4)), 1e-14);
        assert_close(log(1 / y), log(1 / 0.01) + u * (log(1 / 2.0) - log(1 / 0.01)), 1e-12);
    }
    esp_study_destroy(e);
    esp_study_destroy(v);
}

static void normal_distributions_have_their_published_quantiles(void **state)
{
    struct esp_study *n = read_param("distribution: normal, mu: 3, sigma: 2");
    struct esp_study *l = read_param("distribution: log_normal, mu: -7, sigma: 0.5");
    struct esp_study *d = read_param("distribution: normal");

    (void)state;
    assert_close(esp_param_draw(&n->params[0], 0.975), 3 + 2 * 1.959963984540054, 1e-15);
    assert_close(esp_param_draw(&n->params[0], 0.5), 3, 1e-15);
    assert_close(esp_param_draw(&l->params[0], 0.5), exp(-7), 1e-15);
    assert_close(
        esp_param_draw(&l->params[0], 0.025), exp(-7 - 0.5 * 1.959963984540054), 1e-14);
    assert_close(esp_param_draw(&d->params[0], 0.25), -0.6744897501960817, 1e-15);
    esp_study_destroy(n);
    esp_study_destroy(l);
    esp_study_destroy(d);
}

static void beta_without_shapes_is_uniform(void **state)
{
    struct esp_study *d = read_param("distribution: beta");
    struct esp_study *b = read_param("distribution: beta, a: 3, b: 1");

    (void)state;
    for (double u = 1.0 / 64; u < 1; u += 1.0 / 64) {
        assert_close(esp_param_draw(&d->params[0], u), u, 1e-12);
        assert_close(esp_param_draw(&b->params[0], u), cbrt(u), 1e-12);
    }
    esp_study_destroy(d);
    esp_study_destroy(b);
}

static void int_uniform_draws_every_integer_equally_often(void **state)
{
    struct esp_study *s = read_param("min: -2, max: 5");
    const struct esp_param *p = &s->params[0];
    int counts[8] = {0};

    (void)state;
    assert_int_equal(p->distribution, ESP_INT_UNIFORM);
    for (int i = 0; i < 8000; i++) {
        double x = esp_param_draw(p, (i + 0.5) / 8000);
        struct esp_value value = esp_param_value(p, x);
        assert_int_equal(value.type, ESP_VALUE_INTEGER);
        assert_in_range(value.integer + 2, 0, 7);
        counts[value.integer + 2]++;
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(counts[i], 1000);
    }
    assert_true(esp_param_draw(p, nextafter(1, 0)) == 5);
    esp_study_destroy(s);
}

static void choices_are_drawn_with_their_probabilities(void **state)
{
    struct esp_study *s =
        read_param("values: [a, b, c, d], probabilities: [0.5, 0.125, 0, 0.375]");
    const struct esp_param *p = &s->params[0];
    int counts[4] = {0};

    (void)state;
    for (int i = 0; i < 8000; i++) {
        counts[(int)esp_param_draw(p, (i + 0.5) / 8000)]++;
    }
    assert_int_equal(counts[0], 4000);
    assert_int_equal(counts[1], 1000);
    assert_int_equal(counts[2], 0);
    assert_int_equal(counts[3], 3000);
    assert_string_equal(esp_param_value(p, 3).text, "d");
    esp_study_destroy(s);
}

static void quantised_values_are_rounded_and_not_clipped(void **state)
{
    struct esp_study *u = read_param("distribution: q_uniform, min: 0, max: 10, q: 4");
    struct esp_study *l =
        read_param("distribution: q_log_uniform_values, min: 3, max: 60, q: 8");
    struct esp_study *n = read_param("distribution: q_normal, mu: 0, sigma: 10, q: 0.25");
    struct esp_study *d = read_param("distribution: q_uniform, min: 0, max: 10");

    (void)state;
    FOR_U(x)
    {
        /* numpy rounds halves to the even neighbour, as rint does. */
        assert_true(esp_param_draw(&u->params[0], x) == rint(10 * x / 4) * 4);
        double v = esp_param_draw(&l->params[0], x);
        assert_true(fabs(v - 3 * pow(20, x)) <= 4 + 1e-9 && fmod(v, 8) == 0);
        double w = esp_param_draw(&n->params[0], x);
        assert_true(w * 4 == rint(w * 4));
    }
    assert_true(esp_param_draw(&l->params[0], 0) == 0);  /* below min: not clipped */
    assert_true(esp_param_draw(&u->params[0], 1) == 8);  /* 2.5 to even */
    assert_true(esp_param_draw(&l->params[0], 1) == 64); /* above max */
    assert_true(d->params[0].q == 1 && d->params[0].integral);
    assert_int_equal(esp_param_value(&u->params[0], 8).type, ESP_VALUE_INTEGER);
    assert_int_equal(esp_param_value(&n->params[0], 8).type, ESP_VALUE_REAL);
    esp_study_destroy(u);
    esp_study_destroy(l);
    esp_study_destroy(n);
    esp_study_destroy(d);
}

static void quantised_values_are_the_nearest_doubles_to_their_decimals(void **state)
{
    struct esp_study *t = read_param("distribution: q_uniform, min: 0, max: 1, q: 0.1");
    struct esp_study *l =
        read_param("distribution: q_log_uniform_values, min: 0.001, max: 1, q: 0.003");
    struct esp_study *n = read_param("distribution: q_uniform, min: -1, max: 1, q: 0.3");

    (void)state;
    const double tenths[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
    for (int k = 0; k <= 10; k++) {
        assert_true(esp_param_draw(&t->params[0], (double)k / 10) == tenths[k]);
        if (k < 10) { /* the grid ends before max */
            assert_true(esp_param_grid_point(&t->params[0], k) == tenths[k]);
        }
    }
    FOR_U(x)
    {
        double v = esp_param_draw(&l->params[0], x);
        char text[32];
        snprintf(text, sizeof text, "%.3f", v);
        assert_true(strtod(text, NULL) == v);
    }
    assert_true(esp_param_draw(&n->params[0], 0) == -0.9);
    assert_true(esp_param_grid_point(&n->params[0], 2) == -0.4);
    /* A step that is no short decimal fraction is multiplied as before. */
    t->params[0].q = 1.0 / 3;
    assert_true(esp_param_quantise(&t->params[0], 0.7) == 2 * (1.0 / 3));
    esp_study_destroy(t);
    esp_study_destroy(l);
    esp_study_destroy(n);
}

static const char *const all[] = {
    "value: 3",
    "values: [1, two, 3.5]",
    "values: [a, b, c], probabilities: [0.2, 0.3, 0.5]",
    "min: 1, max: 9",
    "min: 1.0, max: 9",
    "distribution: q_uniform, min: 1, max: 9, q: 0.5",
    "distribution: log_uniform, min: -9, max: -2",
    "distribution: q_log_uniform, min: 0, max: 5, q: 2",
    "distribution: log_uniform_values, min: 1e-5, max: 0.1",
    "distribution: q_log_uniform_values, min: 4, max: 256, q: 4",
    "distribution: inv_log_uniform, min: 1, max: 4",
    "distribution: inv_log_uniform_values, min: 0.1, max: 4",
    "distribution: normal, mu: 1, sigma: 3",
    "distribution: q_normal, mu: 1, sigma: 3, q: 0.5",
    "distribution: log_normal, mu: -3, sigma: 1",
    "distribution: q_log_normal, mu: 2, sigma: 1, q: 1",
    "distribution: beta, a: 2, b: 5",
    "distribution: q_beta, a: 2, b: 5, q: 0.05",
};
#define ALL_COUNT (sizeof all / sizeof all[0])

static void unit_is_the_inverse_of_draw(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        struct esp_study *s = read_param(all[i]);
        const struct esp_param *p = &s->params[0];
        for (double u = 1.0 / 512; u < 1; u += 1.0 / 256) {
            double x = esp_param_draw(p, u);
            double back = esp_param_unit(p, x);
            bool stepped = p->quantised || p->distribution <= ESP_INT_UNIFORM;
            assert_true(back >= 0 && back <= 1);
            if (!stepped) {
                assert_true(fabs(back - u) < 1e-9);
            }
            /* Drawing at the unit of a drawn value gives that value again. */
            assert_close(esp_param_draw(p, back), x, 1e-9);
        }
        esp_study_destroy(s);
    }
}

static void draws_increase_with_u_and_are_finite_at_the_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        struct esp_study *s = read_param(all[i]);
        double previous = esp_param_draw(&s->params[0], 0);
        assert_true(isfinite(previous));
        FOR_U(u)
        {
            double x = esp_param_draw(&s->params[0], u);
            assert_true(x >= previous);
            previous = x;
        }
        assert_true(isfinite(esp_param_draw(&s->params[0], nextafter(1, 0))));
        assert_true(esp_param_draw(&s->params[0], 1) >= previous);
        esp_study_destroy(s);
    }
}

static void the_unit_of_a_choice_is_the_middle_of_its_share(void **state)
{
    struct esp_study *c = read_param("values: [a, b, c, d]");
    struct esp_study *w = read_param("values: [a, b], probabilities: [0.25, 0.75]");
    struct esp_study *k = read_param("value: 5");

    (void)state;
    assert_true(esp_param_unit(&c->params[0], 1) == 0.375);
    assert_true(esp_param_unit(&w->params[0], 0) == 0.125);
    assert_true(esp_param_unit(&w->params[0], 1) == 0.625);
    assert_true(esp_param_unit(&k->params[0], 0) == 0.5);
    esp_study_destroy(c);
    esp_study_destroy(w);
    esp_study_destroy(k);
}

static void grids_equal_those_of_wandb(void **state)
{
    struct esp_study *i = read_param("min: 3, max: 6");
    struct esp_study *q = read_param("distribution: q_uniform, min: 1, max: 9, q: 4");
    struct esp_study *h = read_param("distribution: q_uniform, min: 0.5, max: 3, q: 1");
    struct esp_study *c = read_param("values: [x, y, z]");
    struct esp_study *k = read_param("value: x");

    (void)state;
    assert_int_equal(esp_param_grid_count(&i->params[0]), 4);
    assert_true(esp_param_grid_point(&i->params[0], 3) == 6);
    /* numpy.arange(1, 9, 4) is [1, 5]: max excluded, and min not rounded. */
    assert_int_equal(esp_param_grid_count(&q->params[0]), 2);
    assert_true(esp_param_grid_point(&q->params[0], 1) == 5);
    assert_int_equal(esp_param_grid_count(&h->params[0]), 3);
    assert_true(esp_param_value(&h->params[0], esp_param_grid_point(&h->params[0], 0)).real ==
                0.5);
    assert_int_equal(esp_param_grid_count(&c->params[0]), 3);
    assert_true(esp_param_grid_point(&c->params[0], 2) == 2);
    assert_int_equal(esp_param_grid_count(&k->params[0]), 1);
    esp_study_destroy(i);
    esp_study_destroy(q);
    esp_study_destroy(h);
    esp_study_destroy(c);
    esp_study_destroy(k);
}

static void a_distribution_without_a_grid_has_no_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_COUNT; i++) {
        struct esp_study *s = read_param(all[i]);
        const struct esp_param *p = &s->params[0];
        bool has = p->distribution == ESP_CONSTANT || p->distribution == ESP_CATEGORICAL ||
                   p->distribution == ESP_INT_UNIFORM ||
                   (p->distribution == ESP_UNIFORM && p->quantised);
        assert_true((esp_param_grid_count(p) > 0) == has);
        esp_study_destroy(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform_is_linear_in_u),
        cmocka_unit_test(
            log_uniform_bounds_are_exponents_and_log_uniform_values_bounds_are_values),
        cmocka_unit_test(inverse_log_uniform_is_uniform_in_the_logarithm_of_the_inverse),
        cmocka_unit_test(normal_distributions_have_their_published_quantiles),
        cmocka_unit_test(beta_without_shapes_is_uniform),
        cmocka_unit_test(int_uniform_draws_every_integer_equally_often),
        cmocka_unit_test(choices_are_drawn_with_their_probabilities),
        cmocka_unit_test(quantised_values_are_rounded_and_not_clipped),
        cmocka_unit_test(quantised_values_are_the_nearest_doubles_to_their_decimals),
        cmocka_unit_test(unit_is_the_inverse_of_draw),
        cmocka_unit_test(draws_increase_with_u_and_are_finite_at_the_ends),
        cmocka_unit_test(the_unit_of_a_choice_is_the_middle_of_its_share),
        cmocka_unit_test(grids_equal_those_of_wandb),
        cmocka_unit_test(a_distribution_without_a_grid_has_no_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
