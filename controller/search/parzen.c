#include "parzen.h"

#include "normal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Optuna's default_weights: weights of observations before the youngest 25 fall linearly to
 * 1/n. */
#define FULL_WEIGHTS 25
#define PRIOR_WEIGHT 1.0

static double weight_of(uint32_t index, uint32_t count)
{
    if (count < FULL_WEIGHTS || index >= count - FULL_WEIGHTS) {
        return 1;
    }
    uint32_t ramp = count - FULL_WEIGHTS;
    double first = 1.0 / count;
    return ramp > 1 ? first + (1 - first) * index / (ramp - 1) : first;
}

struct place {
    double mu;
    uint32_t index;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->mu != y->mu) {
        return x->mu < y->mu ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* Each kernel is as wide as the larger gap to its neighbours. The outermost two use their inner
 * gap only (consider_endpoints off), and none is narrower than 1/min(100, n + 2) (magic
 * clip). */
static void
fill_sigmas(struct esp_parzen *parzen, int axis, struct place *places, uint32_t count)
{
    size_t stride = (size_t)parzen->axis_count;
    for (uint32_t i = 0; i < count; i++) {
        places[i] = (struct place){parzen->mu[i * stride + (size_t)axis], i};
    }
    qsort(places, count, sizeof *places, by_place);
    double weight_min = 1 / fmin(100.0, 2.0 + count);
    for (uint32_t i = 0; i < count; i++) {
        double below = places[i].mu - (i > 0 ? places[i - 1].mu : 0);
        double above = (i + 1 < count ? places[i + 1].mu : 1) - places[i].mu;
        double sigma = fmax(below, above);
        if (count >= 2 && i == 0) {
            sigma = above;
        } else if (count >= 2 && i + 1 == count) {
            sigma = below;
        }
        parzen->sigma[places[i].index * stride + (size_t)axis] =
            fmin(fmax(sigma, weight_min), 1);
    }
    parzen->mu[count * stride + (size_t)axis] = 0.5;
    parzen->sigma[count * stride + (size_t)axis] = 1;
}

int esp_parzen_make(struct esp_parzen *parzen,
                    const struct esp_parzen_axis *axes,
                    int axis_count,
                    const double *observations,
                    uint32_t count)
{
    size_t stride = (size_t)axis_count, cells = (count + 1) * stride;
    struct place *places = malloc((count + 1) * sizeof *places);
    *parzen = (struct esp_parzen){
        .axes = axes,
        .axis_count = axis_count,
        .kernels = count + 1,
        .log_weight = malloc((count + 1) * sizeof(double)),
        .mu = calloc(cells, sizeof(double)),
        .sigma = calloc(cells, sizeof(double)),
        .mass = calloc(cells, sizeof(double)),
    };
    if (!places || !parzen->log_weight || !parzen->mu || !parzen->sigma || !parzen->mass) {
        free(places);
        esp_parzen_release(parzen);
        return -ENOMEM;
    }
    memcpy(parzen->mu, observations, count * stride * sizeof(double));
    double sum = PRIOR_WEIGHT;
    for (uint32_t i = 0; i < count; i++) {
        sum += weight_of(i, count);
    }
    for (uint32_t i = 0; i <= count; i++) {
        parzen->log_weight[i] = log((i < count ? weight_of(i, count) : PRIOR_WEIGHT) / sum);
    }
    for (int a = 0; a < axis_count; a++) {
        if (axes[a].choices > 0) {
            parzen->mu[count * stride + (size_t)a] = -1; /* the prior prefers no choice */
            continue;
        }
        fill_sigmas(parzen, a, places, count);
        for (uint32_t i = 0; i <= count; i++) {
            size_t at = i * stride + (size_t)a;
            parzen->mass[at] = esp_normal_log_mass((0 - parzen->mu[at]) / parzen->sigma[at],
                                                   (1 - parzen->mu[at]) / parzen->sigma[at]);
        }
    }
    free(places);
    return 0;
}

void esp_parzen_release(struct esp_parzen *parzen)
{
    free(parzen->log_weight);
    free(parzen->mu);
    free(parzen->sigma);
    free(parzen->mass);
    memset(parzen, 0, sizeof *parzen);
}

/* Probability of a choice in a kernel: 1 for the observed one plus prior/kernels for each,
 * normalised. */
static double choice_share(const struct esp_parzen *parzen, double mu, int choice, int choices)
{
    if (mu < 0) {
        return 1.0 / choices;
    }
    double each = PRIOR_WEIGHT / parzen->kernels;
    return (each + (choice == (int)mu ? 1 : 0)) / (1 + each * choices);
}

static double log_kernel(const struct esp_parzen *parzen, uint32_t kernel, const double *point)
{
    double sum = 0;
    for (int a = 0; a < parzen->axis_count; a++) {
        const struct esp_parzen_axis *axis = &parzen->axes[a];
        size_t at = kernel * (size_t)parzen->axis_count + (size_t)a;
        double mu = parzen->mu[at], sigma = parzen->sigma[at];
        if (axis->choices > 0) {
            sum += log(choice_share(parzen, mu, (int)point[a], axis->choices));
        } else if (axis->cell > 0) {
            sum += esp_normal_log_mass((point[a] - axis->cell / 2 - mu) / sigma,
                                       (point[a] + axis->cell / 2 - mu) / sigma) -
                   parzen->mass[at];
        } else {
            sum += esp_normal_log_pdf((point[a] - mu) / sigma) - log(sigma) - parzen->mass[at];
        }
    }
    return sum;
}

double esp_parzen_log_pdf(const struct esp_parzen *parzen, const double *point)
{
    double term_max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < parzen->kernels; i++) {
        double term = parzen->log_weight[i] + log_kernel(parzen, i, point);
        if (term > term_max) {
            sum = sum * exp(term_max - term) + 1;
            term_max = term;
        } else if (term_max > -INFINITY) {
            sum += exp(term - term_max);
        }
    }
    return sum > 0 ? term_max + log(sum) : -INFINITY;
}

void esp_parzen_sample(const struct esp_parzen *parzen, const double *uniforms, double *point)
{
    uint32_t kernel = 0;
    double left = uniforms[0];
    while (kernel + 1 < parzen->kernels && left >= exp(parzen->log_weight[kernel])) {
        left -= exp(parzen->log_weight[kernel++]);
    }
    for (int a = 0; a < parzen->axis_count; a++) {
        const struct esp_parzen_axis *axis = &parzen->axes[a];
        size_t at = kernel * (size_t)parzen->axis_count + (size_t)a;
        double mu = parzen->mu[at], sigma = parzen->sigma[at], u = uniforms[a + 1];
        if (axis->choices > 0) {
            int choice = 0;
            while (choice + 1 < axis->choices) {
                double share = choice_share(parzen, mu, choice, axis->choices);
                if (u < share) {
                    break;
                }
                u -= share;
                choice++;
            }
            point[a] = choice;
            continue;
        }
        double low = esp_normal_p((0 - mu) / sigma), high = esp_normal_p((1 - mu) / sigma);
        double p = low + u * (high - low);
        double x = p > 0 && p < 1 ? mu + sigma * esp_normal_z(p) : mu;
        x = fmin(fmax(x, 0), 1);
        if (axis->cell > 0) {
            double cells = round(1 / axis->cell);
            x = (fmin(floor(x * cells), cells - 1) + 0.5) / cells;
        }
        point[a] = x;
    }
}
