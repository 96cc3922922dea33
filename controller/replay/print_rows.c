#include "print.h"

#include "calibration.h"
#include "cost_unit.h"
#include "stop/discard.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void esp_print_header(const struct esp_replay_call *call)
{
    printf("%s + %s, %d seeds, budget of %g full trainings, cost in %s\n",
           call->policy.method,
           call->policy.scheduler,
           call->seeds,
           call->run.budget,
           esp_cost_unit_name(call->unit));
    printf("%-34s  cost to stay within (share of seeds)          regret at"
           "                                          best            dis-    p99\n",
           "table");
    printf("%-34s  %11s  %11s  %11s  %11s  %8s  %8s  %8s  %8s  %8s  killed  trials  carded"
           "     us\n",
           "",
           "1 %",
           "0.25 %",
           "0.1 %",
           "20th best",
           "1",
           "2",
           "5",
           "10",
           "20");
}

static void print_figures(const char *name, struct esp_replay_summary *summary)
{
    printf("%-34.34s", name);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        double share = esp_reached_share(summary->cost[i], summary->seeds);
        double median = esp_median_of(summary->cost[i], summary->seeds);
        if (isfinite(median)) {
            printf("  %6.2f %3.0f%%", median, 100 * share);
        } else {
            printf("       - %3.0f%%", 100 * share);
        }
    }
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        printf("  %8.2g", esp_mean_of(summary->regret[b], summary->seeds));
    }
}

static bool are_equal(const double *a, const double *b, int count)
{
    return memcmp(a, b, (size_t)count * sizeof *a) == 0;
}

/* Seed by seed, so before either is sorted. */
static bool bounds_coincide(const struct esp_replay_findings *found)
{
    const struct esp_replay_summary *lower = &found->lower, *upper = &found->upper;
    bool same = are_equal(lower->returned, upper->returned, lower->seeds);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        same = same && are_equal(lower->cost[i], upper->cost[i], lower->seeds);
    }
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        same = same && are_equal(lower->regret[b], upper->regret[b], lower->seeds);
    }
    return same;
}

static void print_censored(const struct esp_table *table, struct esp_replay_findings *found)
{
    const struct esp_replay_summary *run = &found->run;
    bool exact = bounds_coincide(found);
    if (!exact) {
        print_figures("  at least", &found->lower);
        printf("\n");
        print_figures("  at most", &found->upper);
        printf("\n");
    }
    printf("  %u of %u trials are censored: their record ends before their horizon",
           table->censored,
           table->trial_count);
    if (table->left_out > 0) {
        printf(" (%u more have no report and are left out)", table->left_out);
    }
    printf(".\n");
    if (exact) {
        printf("  No result depends on losses that are not recorded.\n");
        return;
    }
    if (!(run->beyond_spent > 0 || run->beyond_decisions > 0)) {
        printf(
            "  No trial went beyond its record. Before a trial was complete, some of the "
            "returned trials have\n  no recorded loss at their horizon. The first row counts "
            "their last loss; the true figures are\n  between `at least` and `at most`.\n");
        return;
    }
    printf(
        "  %.0f%% of decisions and %.0f%% of %s went beyond the record of a trial. The first "
        "row counts such\n  a trial as stopped, at the cost of its rest; the true figures are "
        "between `at least` and `at most`.\n",
        100 * run->beyond_decisions / run->seeds,
        100 * run->beyond_spent / run->seeds,
        esp_cost_unit_name(table->unit));
}

void esp_print_rows(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    struct esp_replay_findings *found)
{
    struct esp_replay_summary *run = &found->run;
    print_figures(table->name, run);
    printf("  %5.0f%%  %6.1f  %5.0f%%  %5.0f\n",
           100.0 * run->killed / run->seeds,
           run->trials / run->seeds,
           100 * run->discarded / run->seeds,
           esp_median_of(run->p99_us, run->seeds));
    if (table->censored > 0) {
        print_censored(table, found);
    }
    int needed = esp_discard_needed(call->policy.risk);
    if (found->scores >= 0 && found->scores < needed) {
        printf("  %d scores are too few for risk %g (%d are needed): nothing was discarded.\n",
               found->scores,
               call->policy.risk,
               needed);
    } else if (found->scores >= 0 && !isfinite(found->limit)) {
        printf(
            "  Too many of the %d scores are from searches without a complete trial: nothing "
            "was discarded.\n",
            found->scores);
    }
}
