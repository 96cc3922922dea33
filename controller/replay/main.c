/* The verb `replay`: reads tables and studies, runs every seed on each, prints the results. */
#include "replay.h"

#include "bounds.h"
#include "calibration.h"
#include "cost_unit.h"
#include "plot.h"
#include "print.h"
#include "recorded_path.h"
#include "recorded_study.h"
#include "stop/discard.h"
#include "study/study.h"
#include "table_read.h"

#include <errno.h>
#include <espalier/exit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The state of one call. */
struct work {
    const struct esp_replay_call *call;
    struct esp_table *tables;
    int count;
    struct esp_scores scores; /* from a file, or of every table and seed, in order */
    struct esp_plot plot;
    struct esp_error error;
};

static int exit_of(int rc)
{
    switch (rc) {
    case 0:
        return ESP_EXIT_DONE;
    case -ENOMEM:
    case -EIO:
    case -EBUSY:
    case -EBADMSG:
        return ESP_EXIT_FAILURE;
    default:
        return ESP_EXIT_USAGE;
    }
}

static int read_tables(struct work *work, char **paths, int count)
{
    work->tables = calloc((size_t)count, sizeof *work->tables);
    if (!work->tables) {
        return esp_error_set(&work->error, -ENOMEM, "out of memory");
    }
    for (; work->count < count; work->count++) {
        struct esp_table *table = &work->tables[work->count];
        const char *path = paths[work->count];
        int rc = esp_recorded_path_is_study(path)
                     ? esp_recorded_study_read(path, table, &work->error)
                     : esp_table_read(path, table, &work->error);
        if (rc == 0) {
            rc = esp_table_set_unit(table, work->call->unit, &work->error);
            if (rc < 0) {
                esp_table_release(table);
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Puts the table's name before the message. */
static int name_table(struct work *work, const struct esp_table *table, int rc)
{
    struct esp_error plain = work->error;
    return esp_error_set(&work->error, rc, "%s: %.1900s", table->name, plain.text);
}

static int make_study(struct work *work, const struct esp_table *table, struct esp_study **out)
{
    const struct esp_policy *policy = &work->call->policy;
    int rc = esp_table_study(table, out, &work->error);
    if (rc == 0) {
        rc = esp_policy_apply(policy, table, *out, &work->error);
        rc = rc < 0 ? rc : esp_policy_try(policy, *out, &work->error);
        if (rc < 0) {
            esp_study_destroy(*out);
            *out = NULL;
        }
    }
    return rc < 0 ? name_table(work, table, rc) : 0;
}

/* Whether the policy can search every table; called before anything is computed or printed. */
static int try_tables(struct work *work)
{
    int rc = 0;
    for (int i = 0; i < work->count && rc == 0; i++) {
        struct esp_study *study = NULL;
        rc = make_study(work, &work->tables[i], &study);
        esp_study_destroy(study);
    }
    return rc;
}

/* Computes the scores of a table's searches at risk 0. */
static int score_table(struct work *work, int index, double *scores)
{
    const struct esp_table *table = &work->tables[index];
    struct esp_study *study = NULL;
    int rc = make_study(work, table, &study);
    if (rc < 0) {
        return rc;
    }
    study->stopping.risk = 0;
    for (int i = 0; i < work->call->seeds && rc == 0; i++) {
        struct esp_replay_result result;
        study->seed = (uint64_t)(work->call->first_seed + i);
        rc = esp_replay_run(table, study, &work->call->run, &result, &work->error);
        if (rc < 0) {
            rc = name_table(work, table, rc);
            break;
        }
        scores[i] = result.best_score;
        esp_replay_result_release(&result);
    }
    esp_study_destroy(study);
    return rc;
}

static int gather_scores(struct work *work)
{
    const struct esp_replay_call *call = work->call;
    if (call->calibration_path) {
        return esp_scores_read(call->calibration_path, &work->scores, &work->error);
    }
    if (!call->calibrate) {
        return 0;
    }
    work->scores.count = work->count * call->seeds;
    work->scores.numbers = calloc((size_t)work->scores.count, sizeof(double));
    if (!work->scores.numbers) {
        return esp_error_set(&work->error, -ENOMEM, "out of memory");
    }
    for (int i = 0; i < work->count; i++) {
        int rc = score_table(work, i, &work->scores.numbers[(size_t)i * (size_t)call->seeds]);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Sets the scores that a table's searches are calibrated on; release `others`. */
static int scores_for(struct work *work,
                      int index,
                      struct esp_study *study,
                      struct esp_replay_findings *found,
                      struct esp_scores *others)
{
    const struct esp_scores *scores = &work->scores;
    *others = (struct esp_scores){0};
    found->scores = -1;
    if (work->call->calibrate) {
        if (esp_scores_without(scores, index, work->call->seeds, others) < 0) {
            return esp_error_set(&work->error, -ENOMEM, "out of memory");
        }
        scores = others;
    } else if (!work->call->calibration_path) {
        return 0;
    }
    study->stopping.calibration = scores->numbers;
    study->stopping.calibration_count = scores->count;
    found->scores = scores->count;
    found->limit = esp_discard_limit(scores->numbers, scores->count, study->stopping.risk);
    return 0;
}

static int replay_seed(struct work *work,
                       const struct esp_table *table,
                       struct esp_study *study,
                       int seed,
                       struct esp_replay_findings *found)
{
    const struct esp_replay_call *call = work->call;
    struct esp_replay_result result;
    struct esp_bounds bounds = {0};
    bool censored = table->censored > 0;
    study->seed = (uint64_t)seed;
    int rc = esp_replay_run(table, study, &call->run, &result, &work->error);
    if (rc < 0) {
        return name_table(work, table, rc);
    }
    if (censored) {
        rc = esp_bounds_make(table, study, &call->run, &result, &bounds);
        if (rc < 0) {
            esp_replay_result_release(&result);
            return esp_error_set(&work->error, rc, "out of memory");
        }
        esp_replay_summary_add(&found->lower, table, &bounds.lower);
        esp_replay_summary_add(&found->upper, table, &bounds.upper);
    }
    esp_replay_summary_add(&found->run, table, &result);
    if (call->plot_path) {
        esp_plot_add(&work->plot, table, &result);
    }
    if (call->json) {
        esp_print_seed(table, call, seed, &result, censored ? &bounds : NULL, &found->run);
    }
    esp_bounds_release(&bounds);
    esp_replay_result_release(&result);
    return 0;
}

static int
begin_table(struct work *work, const struct esp_table *table, struct esp_replay_findings *found)
{
    int seeds = work->call->seeds;
    int rc = esp_replay_summary_init(&found->run, table, seeds);
    rc = rc < 0 ? rc : esp_replay_summary_init(&found->lower, table, seeds);
    rc = rc < 0 ? rc : esp_replay_summary_init(&found->upper, table, seeds);
    if (rc < 0) {
        return esp_error_set(&work->error, rc, "out of memory");
    }
    return work->call->plot_path
               ? esp_plot_panel(&work->plot, table, work->call->run.budget, seeds, &work->error)
               : 0;
}

static int replay_table(struct work *work, int index)
{
    const struct esp_replay_call *call = work->call;
    const struct esp_table *table = &work->tables[index];
    struct esp_replay_findings found = {0};
    struct esp_scores others = {0};
    struct esp_study *study = NULL;
    int rc = make_study(work, table, &study);
    if (rc == 0) {
        rc = scores_for(work, index, study, &found, &others);
    }
    if (rc == 0) {
        rc = begin_table(work, table, &found);
    }
    for (int i = 0; i < call->seeds && rc == 0; i++) {
        rc = replay_seed(work, table, study, call->first_seed + i, &found);
    }
    if (rc == 0 && call->json) {
        esp_print_summary(table, call, &found);
    } else if (rc == 0) {
        esp_print_rows(table, call, &found);
    }
    fflush(stdout);
    esp_replay_summary_release(&found.run);
    esp_replay_summary_release(&found.lower);
    esp_replay_summary_release(&found.upper);
    esp_scores_release(&others);
    esp_study_destroy(study);
    return rc;
}

static int write_plot(struct work *work)
{
    char title[ESP_NAME_MAX];
    snprintf(title,
             sizeof title,
             "%.50s + %.50s",
             work->call->policy.method,
             work->call->policy.scheduler);
    return esp_plot_write(&work->plot, title, work->call->plot_path, &work->error);
}

int esp_replay_main(const struct esp_replay_call *call,
                    char **paths,
                    int count,
                    struct esp_error *error)
{
    struct work work = {.call = call};
    int rc = esp_replay_call_check(call, &work.error);
    if (rc == 0) {
        rc = read_tables(&work, paths, count);
    }
    if (rc == 0) {
        rc = try_tables(&work);
    }
    if (rc == 0) {
        rc = gather_scores(&work);
    }
    if (rc == 0 && !call->json) {
        esp_print_header(call);
    }
    for (int i = 0; i < work.count && rc == 0; i++) {
        rc = replay_table(&work, i);
    }
    int code = exit_of(rc);
    if (rc == 0 && call->plot_path) {
        rc = write_plot(&work);
        code = rc < 0 ? ESP_EXIT_FAILURE : ESP_EXIT_DONE;
    }
    if (rc < 0) {
        *error = work.error;
    }
    for (int i = 0; i < work.count; i++) {
        esp_table_release(&work.tables[i]);
    }
    free(work.tables);
    esp_scores_release(&work.scores);
    esp_plot_release(&work.plot);
    return code;
}
