/* Every operation at every level of the processor compared with the double build, and the
 * double build's gradients compared with central differences. Extents are odd on purpose: one
 * token, one sequence, widths that are no multiple of a vector, a vocabulary of 257, several
 * blocks of queries and keys. */
#include "ops.h"

#include "kernels/cpu/levels.h"

#include <stdio.h>
#include <string.h>

#define TOLERANCE_FLOAT 1e-5
#define TOLERANCE_BF16 1e-2
#define TOLERANCE_GRADIENT 1e-6
#define STEP 1e-5
#define NUDGES 10

struct trial_case {
    const char *name;
    operation op;
    struct extents e;
};

#define EXTENTS(...)                                                                           \
    (struct extents)                                                                           \
    {                                                                                          \
        .members = 2, __VA_ARGS__                                                              \
    }

static const struct trial_case cases[] = {
    {"embed", run_embed, EXTENTS(.sequences = 3, .context = 5, .width = 19, .vocabulary = 257)},
    {"embed dropout",
     run_embed,
     EXTENTS(.sequences = 3, .context = 5, .width = 70, .dropout = 0.4)},
    {"embed one", run_embed, EXTENTS(.sequences = 1, .context = 1, .width = 1)},
    {"norm", run_norm, EXTENTS(.sequences = 3, .context = 7, .width = 37, .branch = true)},
    {"norm alone", run_norm, EXTENTS(.sequences = 2, .context = 9, .width = 96)},
    {"norm narrow",
     run_norm,
     EXTENTS(.sequences = 1, .context = 1, .width = 3, .branch = true)},
    {"norm dropout",
     run_norm,
     EXTENTS(.sequences = 3, .context = 7, .width = 130, .branch = true, .dropout = 0.3)},
    {"linear", run_linear, EXTENTS(.sequences = 3, .context = 7, .width = 19, .width_out = 33)},
    {"linear transposed",
     run_linear,
     EXTENTS(.sequences = 2, .context = 9, .width = 48, .width_out = 257, .transposed = true)},
    {"linear one",
     run_linear,
     EXTENTS(.sequences = 1, .context = 1, .width = 1, .width_out = 1)},
    {"linear gelu",
     run_linear,
     EXTENTS(.sequences = 11,
             .context = 30,
             .width = 20,
             .width_out = 35,
             .activation = ESP_KERNEL_GELU)},
    {"linear gelu tanh",
     run_linear,
     EXTENTS(.sequences = 2,
             .context = 3,
             .width = 20,
             .width_out = 80,
             .activation = ESP_KERNEL_GELU_TANH)},
    {"linear large",
     run_linear,
     EXTENTS(.sequences = 9,
             .context = 37,
             .width = 70,
             .width_out = 133,
             .activation = ESP_KERNEL_GELU)},
    {"linear large transposed",
     run_linear,
     EXTENTS(.sequences = 9, .context = 37, .width = 64, .width_out = 96, .transposed = true)},
    {"linear deep", /* sums that products, and sums over rows, compute in several parts */
     run_linear,
     EXTENTS(.sequences = 3,
             .context = 134,
             .width = 790,
             .width_out = 70,
             .activation = ESP_KERNEL_GELU)},
    {"linear deep transposed",
     run_linear,
     EXTENTS(.sequences = 3,
             .context = 134,
             .width = 70,
             .width_out = 790,
             .transposed = true)},
    {"linear wide", /* several blocks of columns as well */
     run_linear,
     EXTENTS(.sequences = 3, .context = 134, .width = 21, .width_out = 950)},
    {"attention causal",
     run_attention,
     EXTENTS(.sequences = 2, .context = 33, .width = 24, .heads = 3, .causal = true)},
    {"attention all",
     run_attention,
     EXTENTS(.sequences = 2, .context = 33, .width = 24, .heads = 3)},
    {"attention one",
     run_attention,
     EXTENTS(.sequences = 1, .context = 1, .width = 5, .causal = true)},
    {"attention 64",
     run_attention,
     EXTENTS(.sequences = 1, .context = 64, .width = 64, .heads = 2, .causal = true)},
    {"attention panels causal",
     run_attention,
     EXTENTS(.sequences = 2, .context = 203, .width = 128, .heads = 2, .causal = true)},
    {"attention blocks causal",
     run_attention,
     EXTENTS(.sequences = 1, .context = 531, .width = 16, .heads = 1, .causal = true)},
    {"attention blocks all",
     run_attention,
     EXTENTS(.sequences = 1, .context = 531, .width = 16, .heads = 1)},
    {"gelu",
     run_activation,
     EXTENTS(.sequences = 7, .context = 11, .width = 45, .activation = ESP_KERNEL_GELU)},
    {"gelu tanh",
     run_activation,
     EXTENTS(.sequences = 7, .context = 11, .width = 45, .activation = ESP_KERNEL_GELU_TANH)},
};

#define CASES ((int)(sizeof cases / sizeof cases[0]))

static struct esp_kernels *open_level(enum esp_cpu_level level)
{
    struct esp_kernels *k = NULL;
    struct esp_error error;
    if (esp_kernels_open_cpu_level(level, &k, &error)) {
        fail_msg("%s", error.text);
    }
    return k;
}

static double distance_of(const double *a, const double *b, int64_t count)
{
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    /* the gradient of a layer norm over one element is exactly zero */
    return norm > 0 ? sqrt(difference / norm) : sqrt(difference);
}

static void compare_case(const struct trial_case *c,
                         const struct esp_kernels *narrow,
                         const struct esp_kernels *wide,
                         double tolerance)
{
    struct run a = start_run(narrow, c->e), b = start_run(wide, c->e);
    c->op(&a);
    c->op(&b);
    for (int i = 0; i < a.count; i++) {
        if (!a.slots[i].result) {
            continue;
        }
        double *x = values_of(&a, i), *y = values_of(&b, i);
        const double off = distance_of(x, y, a.slots[i].count * c->e.members);
        if (!(off <= tolerance)) {
            fail_msg("%s: tensor %d is off by %g", c->name, i, off);
        }
        free(x);
        free(y);
    }
    end_run(&a);
    end_run(&b);
}

static void hold_level(enum esp_cpu_level level, double tolerance)
{
    if (!esp_cpu_level_supported(level)) {
        skip();
    }
    struct esp_kernels *narrow = open_level(level), *wide = open_level(ESP_CPU_F64);
    for (int i = 0; i < CASES; i++) {
        compare_case(&cases[i], narrow, wide, tolerance);
    }
    esp_kernels_close(narrow);
    esp_kernels_close(wide);
}

static void sse2_agrees_with_double(void **state)
{
    (void)state;
    hold_level(ESP_CPU_F32_V1, TOLERANCE_FLOAT);
}

static void avx2_agrees_with_double(void **state)
{
    (void)state;
    hold_level(ESP_CPU_F32_V3, TOLERANCE_FLOAT);
}

static void avx512_agrees_with_double(void **state)
{
    (void)state;
    hold_level(ESP_CPU_F32_V4, TOLERANCE_FLOAT);
}

static void bfloat16_agrees_with_double(void **state)
{
    (void)state;
    hold_level(ESP_CPU_BF16, TOLERANCE_BF16);
}

/* Σ weight · out with one element of an input varied. */
static double moved(const struct esp_kernels *k,
                    const struct trial_case *c,
                    int slot,
                    int64_t element,
                    double by)
{
    struct run r = start_run(k, c->e);
    r.nudge_slot = slot;
    r.nudge_element = element;
    r.nudge_by = by;
    c->op(&r);
    double *out = values_of(&r, r.objective_out), *weight = values_of(&r, r.objective_weight);
    double sum = 0;
    for (int64_t i = 0; i < r.slots[r.objective_out].count * c->e.members; i++) {
        sum += out[i] * weight[i];
    }
    free(out);
    free(weight);
    end_run(&r);
    return sum;
}

static void check_slot(const struct esp_kernels *k,
                       const struct trial_case *c,
                       const struct run *r,
                       int index)
{
    const struct slot *s = &r->slots[index];
    double *got = values_of(r, index);
    double difference = 0, norm = 0;
    for (int i = 0; i < NUDGES; i++) {
        const int64_t all = s->count * c->e.members;
        const int64_t element =
            (int64_t)((random_at(90 + index, i) + 1) / 2 * (double)all) % all;
        const double up = moved(k, c, s->gradient_of, element, STEP);
        const double down = moved(k, c, s->gradient_of, element, -STEP);
        const double numeric = (up - down) / (2 * STEP);
        const double wrong = got[element] - s->base[element] - numeric;
        difference += wrong * wrong;
        norm += numeric * numeric;
    }
    free(got);
    if (!(sqrt(difference) <= TOLERANCE_GRADIENT * sqrt(norm) + 1e-9)) {
        fail_msg(
            "%s: gradient %d is off by %g of %g", c->name, index, sqrt(difference), sqrt(norm));
    }
}

static void gradients_agree_with_central_differences(void **state)
{
    (void)state;
    struct esp_kernels *k = open_level(ESP_CPU_F64);
    int checked = 0;
    for (int i = 0; i < CASES; i++) {
        struct run r = start_run(k, cases[i].e);
        cases[i].op(&r);
        for (int j = 0; j < r.count; j++) {
            if (r.slots[j].gradient_of >= 0) {
                check_slot(k, &cases[i], &r, j);
                checked++;
            }
        }
        end_run(&r);
    }
    assert_int_equal(checked, 3 * 2 + 3 * 4 + 3 + 10 * 3 + 7);
    esp_kernels_close(k);
}

/* Inactive members keep the poison; active ones give the same bits as alone. */
static void an_inactive_member_is_not_written(void **state)
{
    (void)state;
    struct esp_kernels *k = open_level(ESP_CPU_F64);
    for (int i = 0; i < CASES; i++) {
        struct run all = start_run(k, cases[i].e), some = start_run(k, cases[i].e);
        some.control[0].active = 0;
        cases[i].op(&all);
        cases[i].op(&some);
        for (int j = 0; j < all.count; j++) {
            const int64_t n = all.slots[j].count;
            double *a = values_of(&all, j), *b = values_of(&some, j);
            for (int64_t e = 0; e < n && all.slots[j].result; e++) {
                const bool sum = some.slots[j].base[e] != 0;
                assert_true(sum ? b[e] == some.slots[j].base[e] : isnan(b[e]));
            }
            assert_memory_equal(a + n, b + n, (size_t)n * sizeof *a);
            free(a);
            free(b);
        }
        end_run(&all);
        end_run(&some);
    }
    esp_kernels_close(k);
}

/* Without an argument all tests except the gradients; with `gradients` only those. They take
 * most of the time, so they are a separate test. */
int main(int argc, char **argv)
{
    const struct CMUnitTest gradients[] = {
        cmocka_unit_test(gradients_agree_with_central_differences),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sse2_agrees_with_double),
        cmocka_unit_test(avx2_agrees_with_double),
        cmocka_unit_test(avx512_agrees_with_double),
        cmocka_unit_test(bfloat16_agrees_with_double),
        cmocka_unit_test(an_inactive_member_is_not_written),
    };
    if (argc > 1 && strcmp(argv[1], "gradients") == 0) {
        return cmocka_run_group_tests(gradients, NULL, NULL);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
