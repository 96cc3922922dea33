/* The ordered set and the running quantile against a plain array, under random inserts and
 * erasures. */
#include "search/loss_ranking.h"
#include "search/quantile.h"

#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../near.h"

static int by_loss_then_trial(const void *a, const void *b)
{
    const struct esp_loss_ranking_entry *x = a, *y = b;
    if (x->loss != y->loss) {
        return x->loss < y->loss ? -1 : 1;
    }
    return (x->trial > y->trial) - (x->trial < y->trial);
}

static void ranks_equal_those_of_a_sorted_array(void **state)
{
    (void)state;
    struct esp_loss_ranking ranking;
    struct esp_loss_ranking_entry plain[600];
    int count = 0;
    esp_loss_ranking_init(&ranking);
    for (uint32_t i = 0; i < 2000; i++) {
        struct esp_random_block r = esp_random_at(1, i, ESP_RANDOM_SIMULATION, 0);
        if (count == 600 || (count > 0 && r.word[0] % 3 == 0)) {
            int at = (int)(r.word[1] % (uint32_t)count);
            assert_true(esp_loss_ranking_erase(&ranking, plain[at].loss, plain[at].trial));
            assert_false(esp_loss_ranking_erase(&ranking, plain[at].loss, plain[at].trial));
            plain[at] = plain[--count];
        } else {
            /* Few values, so that there are many ties; one of them is NaN. */
            double loss = r.word[1] % 20 == 0 ? NAN : (double)(r.word[1] % 20);
            esp_loss_ranking_insert(&ranking, loss, i);
            plain[count++] = (struct esp_loss_ranking_entry){
                .loss = isnan(loss) ? INFINITY : loss, .trial = i};
        }
        assert_int_equal(esp_loss_ranking_count(&ranking), count);
        if (i % 50 == 0) {
            struct esp_loss_ranking_entry sorted[600];
            memcpy(sorted, plain, sizeof sorted);
            qsort(sorted, (size_t)count, sizeof *sorted, by_loss_then_trial);
            for (int k = 0; k < count; k++) {
                struct esp_loss_ranking_entry e =
                    esp_loss_ranking_at(&ranking, (uint32_t)k + 1);
                assert_true(e.loss == sorted[k].loss && e.trial == sorted[k].trial);
                assert_int_equal(esp_loss_ranking_rank(&ranking, e.loss, e.trial), k + 1);
            }
        }
    }
    esp_loss_ranking_release(&ranking);
}

static void a_pair_not_in_the_set_has_the_rank_it_would_get(void **state)
{
    (void)state;
    struct esp_loss_ranking ranking;
    esp_loss_ranking_init(&ranking);
    esp_loss_ranking_insert(&ranking, 2, 5);
    esp_loss_ranking_insert(&ranking, 4, 6);
    assert_int_equal(esp_loss_ranking_rank(&ranking, 1, 0), 1);
    assert_int_equal(esp_loss_ranking_rank(&ranking, 2, 4), 1);
    assert_int_equal(esp_loss_ranking_rank(&ranking, 2, 6), 2);
    assert_int_equal(esp_loss_ranking_rank(&ranking, NAN, 0), 3);
    esp_loss_ranking_release(&ranking);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* numpy.percentile with its default, linear interpolation. */
static void quantiles_equal_those_of_a_sorted_array(void **state)
{
    (void)state;
    double qs[] = {0, 0.1, 0.25, 0.5, 0.8, 1};
    for (size_t k = 0; k < sizeof qs / sizeof *qs; k++) {
        struct esp_quantile quantile;
        double numbers[300], sorted[300];
        esp_quantile_init(&quantile, qs[k]);
        assert_true(isnan(esp_quantile_value(&quantile)));
        for (uint32_t n = 1; n <= 300; n++) {
            struct esp_random_block r = esp_random_at(2, n, ESP_RANDOM_SIMULATION, k);
            numbers[n - 1] = (double)(r.word[0] % 50);
            esp_quantile_add(&quantile, numbers[n - 1]);
            memcpy(sorted, numbers, sizeof sorted);
            qsort(sorted, n, sizeof *sorted, by_number);
            double position = qs[k] * (double)(n - 1);
            uint32_t low = (uint32_t)position, high = low + 1 < n ? low + 1 : low;
            double expected = sorted[low] + (position - low) * (sorted[high] - sorted[low]);
            assert_near(esp_quantile_value(&quantile), expected, 1e-12);
            assert_int_equal(esp_quantile_count(&quantile), n);
        }
        esp_quantile_release(&quantile);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_equal_those_of_a_sorted_array),
        cmocka_unit_test(a_pair_not_in_the_set_has_the_rank_it_would_get),
        cmocka_unit_test(quantiles_equal_those_of_a_sorted_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
