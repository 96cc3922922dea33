#include "summary.h"

#include <errno.h>
#include <espalier/compare.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const double esp_regret_budgets[ESP_REGRET_BUDGETS] = {1, 2, 5, 10, 20};
static const double shares[] = {0.01, 0.0025, 0.001};

double esp_percentile_of(double *numbers, size_t count, double share)
{
    if (count == 0) {
        return NAN;
    }
    qsort(numbers, count, sizeof *numbers, esp_compare_doubles);
    size_t at = (size_t)ceil(share * (double)count);
    return numbers[at > 0 ? at - 1 : 0];
}

double esp_median_of(double *numbers, int count)
{
    if (count == 0) {
        return NAN;
    }
    qsort(numbers, (size_t)count, sizeof *numbers, esp_compare_doubles);
    double low = numbers[(count - 1) / 2], high = numbers[count / 2];
    return isinf(low) || isinf(high) ? high : 0.5 * (low + high);
}

double esp_mean_of(const double *numbers, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += numbers[i];
    }
    return sum / count;
}

double esp_reached_share(const double *costs, int count)
{
    int reached = 0;
    for (int i = 0; i < count; i++) {
        reached += isfinite(costs[i]) != 0;
    }
    return (double)reached / count;
}

int esp_replay_summary_init(struct esp_replay_summary *summary,
                            const struct esp_table *table,
                            int seeds)
{
    memset(summary, 0, sizeof *summary);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        summary->cost[i] = calloc((size_t)seeds, sizeof(double));
    }
    for (int i = 0; i < ESP_REGRET_BUDGETS; i++) {
        summary->regret[i] = calloc((size_t)seeds, sizeof(double));
    }
    summary->p50_us = calloc((size_t)seeds, sizeof(double));
    summary->p99_us = calloc((size_t)seeds, sizeof(double));
    summary->returned = calloc((size_t)seeds, sizeof(double));
    if (!summary->returned || !summary->p99_us) {
        return -ENOMEM;
    }
    double best = esp_table_final(table, table->best);
    for (int i = 0; i < 3; i++) {
        summary->limit[i] = best + shares[i] * fabs(best);
    }
    summary->limit[ESP_WITHIN_RANK20] = esp_table_ranked(table, 20);
    summary->worst = esp_table_worst(table);
    return 0;
}

void esp_replay_summary_release(struct esp_replay_summary *summary)
{
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        free(summary->cost[i]);
    }
    for (int i = 0; i < ESP_REGRET_BUDGETS; i++) {
        free(summary->regret[i]);
    }
    free(summary->returned);
    free(summary->p50_us);
    free(summary->p99_us);
    memset(summary, 0, sizeof *summary);
}

/* Cost from which on the returned trial stays within the limit; infinity: it does not at the
 * end. */
static double cost_to_stay(const struct esp_replay_result *result, double limit, double full)
{
    double cost = INFINITY;
    for (size_t i = result->trace_count; i > 0; i--) {
        if (!(result->trace[i - 1].returned <= limit)) {
            break;
        }
        cost = (double)result->trace[i - 1].spent / full;
    }
    return cost;
}

static double share_of(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

void esp_replay_summary_add(struct esp_replay_summary *summary,
                            const struct esp_table *table,
                            const struct esp_replay_result *result)
{
    int seed = summary->seeds++;
    double full = (double)table->full, best = esp_table_final(table, table->best);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        summary->cost[i][seed] = cost_to_stay(result, summary->limit[i], full);
    }
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        double loss = summary->worst;
        for (size_t i = 0; i < result->trace_count &&
                           (double)result->trace[i].spent <= esp_regret_budgets[b] * full;
             i++) {
            loss = fmin(result->trace[i].returned, summary->worst);
        }
        summary->regret[b][seed] = loss - best;
    }
    summary->returned[seed] =
        result->trace_count > 0 ? result->trace[result->trace_count - 1].returned : INFINITY;
    summary->killed += result->best_killed;
    summary->trials += result->trials;
    summary->discarded += share_of(result->discarded, result->trials);
    summary->beyond_decisions += share_of(result->beyond, (double)result->decisions);
    summary->beyond_spent += share_of((double)result->beyond_spent, (double)result->spent);
    summary->p50_us[seed] =
        esp_percentile_of(result->decision_us, (size_t)result->decisions, 0.50);
    summary->p99_us[seed] =
        esp_percentile_of(result->decision_us, (size_t)result->decisions, 0.99);
}
