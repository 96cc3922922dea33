/* Tokens per second of a training step on the CPU, and the fraction of the measured peak of
 * matrix products. One JSON object per shape, on one line. Measures processor time instead of
 * wall time, so that other processes on the machine matter less.
 *
 * usage: kernels_bench [seconds-per-shape [index-of-the-only-shape
 *                       [sequences-per-micro-batch]]] */
#include "../../../trial/model/model.h"
#include <espalier/kernels.h>

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct bench {
    const char *name;
    struct esp_model_shape shape;
    int batch;       /* sequences per update */
    int micro_batch; /* sequences per pass */
};

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of ten products of 1536³. */
static double peak_flops(void)
{
    const int n = 1536;
    const size_t count = (size_t)n * (size_t)n;
    float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
    float *c = malloc(count * sizeof *c);
    double best = 0;
    if (!a || !b || !c) {
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        a[i] = (float)(i * 2654435761u % 1000) * 1e-3f - 0.5f;
        b[i] = (float)(i * 2246822519u % 1000) * 1e-3f - 0.5f;
    }
    for (int i = 0; i < 10; i++) {
        const double start = seconds_now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1, a, n, b, n, 0, c, n);
        const double rate = 2.0 * n * n * n / (seconds_now() - start);
        best = rate > best ? rate : best;
    }
out:
    free(a);
    free(b);
    free(c);
    return best;
}

static int run_steps(struct esp_model *model,
                     const struct bench *b,
                     const int32_t *tokens,
                     double seconds,
                     double *per_step,
                     struct esp_error *error)
{
    double best = 1e9;
    const double start = seconds_now();
    for (int64_t step = 1; step <= 3 || seconds_now() - start < seconds; step++) {
        const struct esp_model_update update = {.active = true,
                                                .updates = step,
                                                .learning_rate = 1e-3,
                                                .beta1 = 0.9,
                                                .beta2 = 0.95,
                                                .epsilon = 1e-8,
                                                .weight_decay = 0.1,
                                                .clip = 1};
        const double before = seconds_now();
        int rc = 0;
        for (int first = 0; first < b->batch && !rc; first += b->micro_batch) {
            const int left = b->batch - first;
            const int32_t *at = tokens + (size_t)first * (size_t)b->shape.context;
            const struct esp_model_input input = {
                .active = true,
                .sequences = left < b->micro_batch ? left : b->micro_batch,
                .tokens = at,
                .targets = at + (size_t)b->batch * (size_t)b->shape.context};
            rc = esp_model_forward_backward(model, &input, error);
        }
        rc = rc ? rc : esp_model_update(model, &update, error);
        if (rc) {
            return rc;
        }
        const double took = seconds_now() - before;
        best = took < best ? took : best;
    }
    *per_step = best;
    return 0;
}

static int run_bench(const struct esp_kernels *kernels,
                     const struct bench *b,
                     double seconds,
                     double peak,
                     struct esp_error *error)
{
    struct esp_model *model = NULL;
    const size_t count = (size_t)b->batch * (size_t)b->shape.context;
    int32_t *tokens = malloc(2 * count * sizeof *tokens);
    double per_step = 0;
    int rc = esp_model_create(kernels, &b->shape, 1, b->micro_batch, true, &model, error);
    if (rc || !tokens) {
        goto out;
    }
    rc = esp_model_init_member(model, 0, 1, error);
    for (size_t i = 0; i < 2 * count; i++) {
        tokens[i] = (int32_t)(i * 2654435761u % (unsigned)b->shape.vocabulary);
    }
    rc = rc ? rc : run_steps(model, b, tokens, seconds, &per_step, error);
    if (!rc) {
        const double rate = (double)count / per_step;
        const double flops = esp_model_flops_per_token(&b->shape);
        printf("{\"shape\":\"%s\",\"device\":\"%s\",\"precision\":\"fp32\",\"params\":%lld,"
               "\"micro_batch\":%d,"
               "\"tokens_per_second\":%.0f,\"flops_per_token\":%.4g,\"flops_per_second\":%.4g,"
               "\"peak\":%.4g,\"peak_fraction\":%.3f}\n",
               b->name,
               kernels->device,
               (long long)esp_model_count(model),
               b->micro_batch,
               rate,
               flops,
               rate * flops,
               peak,
               rate * flops / peak);
    }
out:
    free(tokens);
    esp_model_destroy(model);
    return rc;
}

int main(int argc, char **argv)
{
    struct bench benches[] = {
        {"3/96/64 b16", {3, 96, 3, 64, 256, 0, 0, 0, 0}, 16, 8},
        {"4/128/128 b16", {4, 128, 4, 128, 256, 0, 0, 0, 0}, 16, 4},
        {"6/384/256 b8", {6, 384, 6, 256, 256, 0, 0, 0, 0}, 8, 4},
    };
    const double seconds = argc > 1 ? atof(argv[1]) : 3;
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {{0}};
    int rc = esp_kernels_open_cpu(&kernels, &error);
    const double peak = rc ? 0 : peak_flops();
    const int only = argc > 2 ? atoi(argv[2]) : -1;
    for (int i = 0; i < (int)(sizeof benches / sizeof benches[0]) && !rc; i++) {
        if (only >= 0 && i != only) {
            continue;
        }
        if (argc > 3) {
            benches[i].micro_batch = atoi(argv[3]);
        }
        rc = run_bench(kernels, &benches[i], seconds, peak, &error);
    }
    if (rc) {
        fprintf(stderr, "kernels_bench: %s\n", error.text);
    }
    esp_kernels_close(kernels);
    return rc ? 1 : 0;
}
