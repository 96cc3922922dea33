#include "best.h"

#include "json.h"
#include "seed_record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row while it is ranked. */
struct ranked {
    struct esp_reader_trial trial;
    struct esp_setting_rank rank;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    return esp_setting_ranks_before(&left->rank, &right->rank)   ? -1
           : esp_setting_ranks_before(&right->rank, &left->rank) ? 1
                                                                 : 0;
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

/* Adds the settings that have repeats and are not among the rows, whatever their first loss. */
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

/* Puts the rows in order. */
static int rank(const struct esp_ledger *ledger, struct esp_best *best, struct esp_error *error)
{
    struct esp_rows *rows = &best->rows;
    struct ranked *ranked = calloc(rows->count + 1, sizeof *ranked);
    double sign = ledger->maximize ? -1 : 1;
    if (!ranked) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *t = &rows->trials[i];
        ranked[i].trial = *t;
        ranked[i].rank = esp_setting_rank_of(t->trial,
                                             t->finished || t->state == ESP_TRIAL_COMPLETE,
                                             sign * t->value,
                                             esp_seed_record_of(&best->record, t->trial),
                                             best->noise);
    }
    if (best->repeats.count > 0) { /* else the rows are in order already */
        qsort(ranked, rows->count, sizeof *ranked, compare);
    }
    for (size_t i = 0; i < rows->count; i++) {
        rows->trials[i] = ranked[i].trial;
    }
    free(ranked);
    return 0;
}

static int
find_seeds(const struct esp_ledger *ledger, struct esp_best *best, struct esp_error *error)
{
    best->seeds = calloc(best->rows.count + 1, sizeof *best->seeds);
    if (!best->seeds) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (size_t i = 0; i < best->rows.count; i++) {
        const struct esp_seeds *seeds =
            esp_seed_record_of(&best->record, best->rows.trials[i].trial);
        if (seeds) {
            best->seeds[i] = *seeds;
            best->seeds[i].mean *= ledger->maximize ? -1 : 1;
        }
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
    /* The best `limit` settings are among the best `limit` trials and the settings with
     * repeats. */
    int64_t rows_max = limit > 0 ? limit + (int64_t)best->repeats.count : 0;
    rc = rc < 0 ? rc : esp_rows_best(reader, rows_max, &best->rows, error);
    rc = rc < 0 ? rc : add_repeated(reader, &best->repeats, &best->rows, error);
    rc = rc < 0
             ? rc
             : esp_seed_record_make(ledger, &best->rows, &best->repeats, &best->record, error);
    if (rc == 0 && ledger->study->abilities.deterministic) {
        best->noise = esp_repeat_noise(&best->record);
    }
    rc = rc < 0 ? rc : rank(ledger, best, error);
    if (rc == 0 && limit > 0) {
        esp_rows_cut(&best->rows, (size_t)limit);
    }
    rc = rc < 0 ? rc : find_seeds(ledger, best, error);
    return rc;
}

void esp_best_release(struct esp_best *best)
{
    esp_rows_release(&best->rows);
    esp_rows_release(&best->repeats);
    esp_repeat_release(&best->record);
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

static void add_seeds_json(const struct esp_seeds *seeds, struct esp_buffer *out)
{
    if (seeds->count > 1) {
        esp_buffer_addf(out, ",\"seeds\":%u,\"mean\":", seeds->count);
        esp_json_real(out, seeds->mean);
        esp_buffer_add(out, ",\"spread\":");
        esp_json_real(out, esp_seeds_spread(seeds));
    }
}

void esp_best_json(const struct esp_best *best, struct esp_buffer *out)
{
    const struct esp_rows *rows = &best->rows;
    esp_buffer_add(out, "[");
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *trial = &rows->trials[i];
        esp_buffer_addf(
            out, "%s{\"trial\":%lld,\"value\":", i ? ",\n " : "", (long long)trial->trial);
        esp_json_real(out, trial->value);
        esp_buffer_addf(out,
                        ",\"tokens\":%lld,\"params\":",
                        (long long)(trial->tokens > 0 ? trial->tokens : 0));
        esp_rows_params_json(trial, out);
        add_seeds_json(&best->seeds[i], out);
        esp_buffer_add(out, "}");
    }
    esp_buffer_add(out, "]\n");
}
