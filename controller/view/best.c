#include "best.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row while it is ranked; losses are smaller-is-better. */
struct ranked {
    struct esp_reader_trial trial;
    struct esp_seeds seeds;
    double score;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    if (left->score != right->score) {
        return left->score < right->score ? -1 : 1;
    }
    return left->trial.trial < right->trial.trial ? -1 : left->trial.trial > right->trial.trial;
}

static bool is_among(const struct esp_rows *rows, int64_t trial)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->trials[i].trial == trial) {
            return true;
        }
    }
    return false;
}

/* Settings that have repeats, wherever their first seed put them. */
static int add_repeated(struct esp_reader *reader,
                        const struct esp_rows *repeats,
                        struct esp_rows *rows,
                        struct esp_error *error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < repeats->count; i++) {
        const struct esp_reader_trial *t = &repeats->trials[i];
        if (t->repeats < 0 && t->finished && isfinite(t->value) && !is_among(rows, t->trial)) {
            rc = esp_rows_one(reader, t->trial, rows, error);
        }
    }
    return rc;
}

static void add_seeds(struct ranked *ranked,
                      size_t count,
                      const struct esp_rows *repeats,
                      double sign,
                      struct esp_seed_pool *pool)
{
    for (size_t i = 0; i < count; i++) {
        struct ranked *r = &ranked[i];
        if (r->trial.finished) {
            esp_seeds_add(&r->seeds, pool, sign * r->trial.value);
        }
        for (size_t k = 0; k < repeats->count; k++) {
            const struct esp_reader_trial *t = &repeats->trials[k];
            if (t->repeats != r->trial.trial) {
                continue;
            }
            if (t->finished && isfinite(t->value)) {
                esp_seeds_add(&r->seeds, pool, sign * t->value);
            }
            r->seeds.spoiled |= t->cause == ESP_CAUSE_DIVERGED;
        }
    }
}

/* Whose loss at the horizon is the least, of any seed. */
static const struct esp_reader_trial *
leader(const struct esp_rows *rows, double sign, const struct esp_reader_trial *least)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *t = &rows->trials[i];
        if (t->finished && isfinite(t->value) &&
            (!least || sign * t->value < sign * least->value)) {
            least = t;
        }
    }
    return least;
}

struct curve {
    int64_t horizon;
    struct esp_scatter scatter;
};

static int add_point(void *context, const struct esp_event *event)
{
    struct curve *curve = context;
    esp_scatter_add(
        &curve->scatter, event->report.point.tokens, curve->horizon, event->report.point.value);
    return 0;
}

/* What a seed is taken to do, as the controller takes it (controller/stop/repeat.c). */
static int find_noise(struct esp_ledger *ledger,
                      const struct esp_rows *repeats,
                      const struct esp_seed_pool *pool,
                      double sign,
                      struct esp_best *best,
                      struct esp_error *error)
{
    const struct esp_reader_trial *least =
        leader(repeats, sign, leader(&best->rows, sign, NULL));
    struct curve curve = {.horizon = least ? least->horizon : 0};
    int rc = 0;
    if (!ledger->study->abilities.deterministic) {
        return 0;
    }
    if (least) {
        rc = esp_reader_curves(ledger->reader, least->trial, add_point, &curve, error);
    }
    best->noise =
        esp_seed_noise(pool, least ? least->value : NAN, esp_scatter_size(&curve.scatter));
    return rc;
}

/* Puts the rows in order; what is over `limit` goes. */
static int rank(struct esp_ledger *ledger,
                struct esp_best *best,
                const struct esp_rows *repeats,
                int64_t limit,
                struct esp_error *error)
{
    struct esp_rows *rows = &best->rows;
    struct ranked *ranked = calloc(rows->count + 1, sizeof *ranked);
    struct esp_seed_pool pool = {0};
    double sign = ledger->maximize ? -1 : 1;
    best->seeds = calloc(rows->count + 1, sizeof *best->seeds);
    if (!ranked || !best->seeds) {
        free(ranked);
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (size_t i = 0; i < rows->count; i++) {
        ranked[i].trial = rows->trials[i];
    }
    add_seeds(ranked, rows->count, repeats, sign, &pool);
    int rc = find_noise(ledger, repeats, &pool, sign, best, error);
    if (rc < 0) {
        free(ranked);
        return rc;
    }
    for (size_t i = 0; i < rows->count; i++) {
        ranked[i].score = ranked[i].seeds.count > 0
                              ? esp_seeds_score(&ranked[i].seeds, best->noise)
                              : sign * ranked[i].trial.value;
    }
    if (repeats->count > 0) { /* else they come in order, to the last bit */
        qsort(ranked, rows->count, sizeof *ranked, compare);
    }
    for (size_t i = 0; i < rows->count; i++) {
        rows->trials[i] = ranked[i].trial;
        best->seeds[i] = ranked[i].seeds;
        best->seeds[i].mean *= sign;
    }
    free(ranked);
    if (limit > 0 && rows->count > (size_t)limit) {
        esp_rows_cut(rows, (size_t)limit);
    }
    return 0;
}

int esp_best_load(struct esp_ledger *ledger,
                  int64_t limit,
                  struct esp_best *best,
                  struct esp_error *error)
{
    struct esp_reader *reader = ledger->reader;
    int rc = esp_rows_repeats(reader, &best->repeats, error);
    /* The first `limit` are among the first `limit` that have one seed, and all that have more.
     */
    int64_t most = limit > 0 ? limit + (int64_t)best->repeats.count : 0;
    rc = rc < 0 ? rc : esp_rows_best(reader, most, &best->rows, error);
    rc = rc < 0 ? rc : add_repeated(reader, &best->repeats, &best->rows, error);
    rc = rc < 0 ? rc : rank(ledger, best, &best->repeats, limit, error);
    return rc;
}

void esp_best_release(struct esp_best *best)
{
    esp_rows_release(&best->rows);
    esp_rows_release(&best->repeats);
    free(best->seeds);
    *best = (struct esp_best){0};
}

const struct esp_seeds *esp_best_seeds(const struct esp_best *best, int64_t trial)
{
    for (size_t i = 0; i < best->rows.count; i++) {
        if (best->rows.trials[i].trial == trial) {
            return &best->seeds[i];
        }
    }
    return NULL;
}

void esp_best_value(const struct esp_best *best, size_t row, int digits, struct esp_buffer *out)
{
    const struct esp_seeds *seeds = &best->seeds[row];
    if (seeds->count > 1) {
        esp_buffer_addf(out,
                        "%.*g ± %.2g over %u seeds",
                        digits,
                        seeds->mean,
                        esp_seeds_spread(seeds),
                        seeds->count);
    } else {
        esp_buffer_addf(out, "%.*g", digits, best->rows.trials[row].value);
    }
}
