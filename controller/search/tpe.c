/* The tree-structured Parzen estimator as Optuna 5.0 defines it (Bergstra et al., NIPS 2011;
 * Watanabe, arXiv 2304.11127): ten random trials, then the best of 24 draws from l by l/g,
 * where l is fitted to the best ⌈n/10⌉ trials, at most 25, and g to the others, which include
 * trials that have not ended.
 *
 * Completed trials are ranked by their last loss. The others with a loss come after them, by
 * (most tokens, loss), as Optuna ranks pruned trials. A trial that diverged or failed counts as
 * the worst. Multivariate by default, as in Optuna 5; with `univariate` the parameters are
 * independent. */
#include "parzen.h"
#include "sampler.h"

#include <espalier/random.h>

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STARTUP_TRIALS 10
#define CANDIDATES 24
#define BELOW 0.1
#define BELOW_MAX 25
/* With the bohb scheduler (Falkner et al., ICML 2018): the best 15 %, and a third of the
 * proposals random. */
#define BOHB_BELOW 0.15
#define BOHB_RANDOM (1.0 / 3)
#define BOHB_COUNTER 999999 /* of the draw that decides whether a proposal is random */

struct tpe_trial {
    int64_t tokens; /* of the last finite loss; 0: none */
    double loss;
    bool complete, bad;
};

struct tpe {
    const struct esp_study *study;
    struct esp_parzen_axis axes[ESP_PARAMS_MAX];
    int param_of[ESP_PARAMS_MAX]; /* the parameter of each axis; constants have none */
    int axis_count;
    struct tpe_trial *trials;
    double *places; /* [trials, axes] */
    uint32_t count, capacity;
};

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    struct tpe *tpe = calloc(1, sizeof *tpe);
    if (!tpe) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    tpe->study = study;
    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        struct esp_parzen_axis *axis = &tpe->axes[tpe->axis_count];
        if (param->distribution == ESP_CONSTANT) {
            continue;
        }
        *axis = (struct esp_parzen_axis){0};
        if (param->distribution == ESP_CATEGORICAL ||
            param->distribution == ESP_CATEGORICAL_WEIGHTED) {
            axis->choices = param->choice_count;
        } else if (param->distribution == ESP_INT_UNIFORM) {
            axis->cell = 1 / (param->max - param->min + 1);
        }
        tpe->param_of[tpe->axis_count++] = i;
    }
    *self = tpe;
    return 0;
}

static void destroy(void *self)
{
    struct tpe *tpe = self;
    free(tpe->trials);
    free(tpe->places);
    free(tpe);
}

static void created(void *self, uint32_t trial, const double *values)
{
    struct tpe *tpe = self;
    if (trial >= tpe->capacity) {
        tpe->capacity = tpe->capacity ? tpe->capacity * 2 : 64;
        tpe->trials = realloc(tpe->trials, tpe->capacity * sizeof *tpe->trials);
        tpe->places = realloc(tpe->places,
                              (tpe->capacity * (size_t)tpe->axis_count + 1) * sizeof(double));
        assert(tpe->trials && tpe->places);
    }
    tpe->trials[trial] = (struct tpe_trial){.loss = NAN};
    tpe->count = trial + 1;
    for (int a = 0; a < tpe->axis_count; a++) {
        double drawn = values[tpe->param_of[a]];
        tpe->places[trial * (size_t)tpe->axis_count + (size_t)a] =
            tpe->axes[a].choices > 0
                ? drawn
                : esp_param_unit(&tpe->study->params[tpe->param_of[a]], drawn);
    }
}

static void observed(void *self, uint32_t trial, int64_t tokens, double loss)
{
    struct tpe *tpe = self;
    if (isfinite(loss)) {
        tpe->trials[trial].tokens = tokens;
        tpe->trials[trial].loss = loss;
    }
}

static void ended(void *self, uint32_t trial, enum esp_trial_end end)
{
    struct tpe *tpe = self;
    tpe->trials[trial].complete = end == ESP_END_COMPLETE && tpe->trials[trial].tokens > 0;
    tpe->trials[trial].bad = end == ESP_END_DIVERGED || end == ESP_END_FAILED;
}

/* A smaller key is a better trial; complete ones first. */
struct key {
    int class;
    int64_t less_tokens;
    double loss;
    uint32_t trial;
};

static int by_key(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    if (x->class != y->class) {
        return x->class - y->class;
    }
    if (x->less_tokens != y->less_tokens) {
        return x->less_tokens < y->less_tokens ? -1 : 1;
    }
    if (x->loss != y->loss) {
        return x->loss < y->loss ? -1 : 1;
    }
    return (x->trial > y->trial) - (x->trial < y->trial);
}

/* Sets `below[trial]` for the trials of l; returns how many trials have reported or failed. */
static uint32_t split(const struct tpe *tpe, bool *below, struct key *keys)
{
    uint32_t known = 0;
    memset(below, 0, tpe->count * sizeof *below);
    for (uint32_t i = 0; i < tpe->count; i++) {
        const struct tpe_trial *t = &tpe->trials[i];
        if (t->bad) {
            keys[known++] = (struct key){.class = 2, .trial = i};
        } else if (t->tokens > 0) {
            keys[known++] = (struct key){.class = t->complete ? 0 : 1,
                                         .less_tokens = t->complete ? 0 : -t->tokens,
                                         .loss = t->loss,
                                         .trial = i};
        }
    }
    qsort(keys, known, sizeof *keys, by_key);
    bool bohb = tpe->study->stopping.type == ESP_SCHEDULER_BOHB;
    uint32_t count = (uint32_t)ceil((bohb ? BOHB_BELOW : BELOW) * known);
    count = count < BELOW_MAX || bohb ? count : BELOW_MAX;
    for (uint32_t i = 0; i < count && keys[i].class < 2; i++) {
        below[keys[i].trial] = true;
    }
    return known;
}

static double uniform(const struct tpe *tpe, uint32_t trial, uint64_t counter)
{
    struct esp_random_block block =
        esp_random_at(tpe->study->seed, trial, ESP_RANDOM_SAMPLER, counter);
    return esp_random_unit(block.word[0], block.word[1]);
}

/* The best of CANDIDATES draws over the axes from `first` on, `count` of them. */
static int choose(const struct tpe *tpe,
                  uint32_t trial,
                  const bool *below,
                  int first,
                  int count,
                  double *point)
{
    size_t stride = (size_t)tpe->axis_count;
    double *low = malloc((tpe->count * (size_t)count + 1) * sizeof *low);
    double *high = malloc((tpe->count * (size_t)count + 1) * sizeof *high);
    uint32_t low_count = 0, high_count = 0;
    struct esp_parzen l = {0}, g = {0};
    double best = -INFINITY, uniforms[ESP_PARAMS_MAX + 1], candidate[ESP_PARAMS_MAX];
    int rc = -ENOMEM;
    if (!low || !high) {
        goto out;
    }
    for (uint32_t i = 0; i < tpe->count; i++) {
        double *to =
            below[i] ? &low[low_count++ * (size_t)count] : &high[high_count++ * (size_t)count];
        memcpy(to, &tpe->places[i * stride + (size_t)first], (size_t)count * sizeof *to);
    }
    rc = esp_parzen_make(&l, tpe->axes + first, count, low, low_count);
    if (rc == 0) {
        rc = esp_parzen_make(&g, tpe->axes + first, count, high, high_count);
    }
    for (int c = 0; c < CANDIDATES && rc == 0; c++) {
        for (int a = 0; a <= count; a++) {
            uniforms[a] = uniform(
                tpe, trial, 1000000 + (uint64_t)(first * CANDIDATES + c) * 256 + (uint64_t)a);
        }
        esp_parzen_sample(&l, uniforms, candidate);
        double score = esp_parzen_log_pdf(&l, candidate) - esp_parzen_log_pdf(&g, candidate);
        if (score > best || c == 0) {
            best = score;
            memcpy(point, candidate, (size_t)count * sizeof *point);
        }
    }
out:
    esp_parzen_release(&l);
    esp_parzen_release(&g);
    free(low);
    free(high);
    return rc;
}

static int propose(const void *self, uint32_t trial, double *values, struct esp_reason *reason)
{
    const struct tpe *tpe = self;
    const struct esp_study *study = tpe->study;
    double point[ESP_PARAMS_MAX];
    bool *below = malloc((tpe->count + 1) * sizeof *below);
    struct key *keys = malloc((tpe->count + 1) * sizeof *keys);
    int rc = below && keys ? 0 : -ENOMEM;
    uint32_t known = rc == 0 ? split(tpe, below, keys) : 0;
    reason->of = (int32_t)known;
    for (int i = 0; i < study->param_count; i++) {
        values[i] = esp_param_draw(&study->params[i], uniform(tpe, trial, (uint64_t)i));
    }
    bool random = study->stopping.type == ESP_SCHEDULER_BOHB &&
                  uniform(tpe, trial, BOHB_COUNTER) < BOHB_RANDOM;
    if (rc == 0 && known >= STARTUP_TRIALS && tpe->axis_count > 0 && !random) {
        if (study->univariate) {
            for (int a = 0; a < tpe->axis_count && rc == 0; a++) {
                rc = choose(tpe, trial, below, a, 1, &point[a]);
            }
        } else {
            rc = choose(tpe, trial, below, 0, tpe->axis_count, point);
        }
        for (int a = 0; a < tpe->axis_count && rc == 0; a++) {
            int i = tpe->param_of[a];
            values[i] = tpe->axes[a].choices > 0 ? point[a]
                                                 : esp_param_draw(&study->params[i], point[a]);
        }
    }
    free(below);
    free(keys);
    return rc;
}

const struct esp_sampler_ops esp_sampler_tpe = {
    .create = create,
    .destroy = destroy,
    .created = created,
    .observed = observed,
    .ended = ended,
    .propose = propose,
};
