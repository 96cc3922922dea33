#include "print.h"

#include "stop/discard.h"

#include "calibration.h"
#include "cost_unit.h"

#include <espalier/json_text.h>
#include <math.h>
#include <stdio.h>

/* JSON has no infinity: such a loss is printed as 1e30, such a cost as null. */
static void print_loss(double loss)
{
    if (isfinite(loss)) {
        printf("%.9g", loss);
    } else {
        printf("1e30");
    }
}

static void print_number(const char *format, double number)
{
    if (isfinite(number)) {
        printf(format, number);
    } else {
        printf("null");
    }
}

static void print_cost(enum esp_cost_unit unit, int64_t cost)
{
    printf(unit == ESP_COST_SECONDS ? "%.6f" : "%.0f", esp_cost_number(unit, cost));
}

static void print_names(const struct esp_table *table, const struct esp_replay_call *call)
{
    printf("\"table\":");
    esp_json_print(stdout, table->name);
    printf(",\"method\":");
    esp_json_print(stdout, call->policy.method);
    printf(",\"scheduler\":");
    esp_json_print(stdout, call->policy.scheduler);
    printf(",\"prior\":");
    esp_json_print(stdout, call->policy.prior);
    printf(",\"unit\":\"%s\"", esp_cost_unit_name(table->unit));
}

static void print_trace(enum esp_cost_unit unit, const struct esp_replay_result *result)
{
    printf("[");
    for (size_t i = 0; i < result->trace_count; i++) {
        printf("%s[", i ? "," : "");
        print_cost(unit, result->trace[i].spent);
        printf(",");
        print_loss(result->trace[i].returned);
        printf("]");
    }
    printf("]");
}

static void print_bounds(const struct esp_table *table,
                         const struct esp_replay_result *result,
                         const struct esp_bounds *bounds)
{
    printf(",\"censored\":{\"trials\":%u,\"spent\":", result->beyond);
    print_cost(table->unit, result->beyond_spent);
    printf(",\"unknown_at\":");
    if (result->unknown_at < 0) {
        printf("null");
    } else {
        print_cost(table->unit, result->unknown_at);
    }
    printf("},\"bounds\":{\"lower\":");
    print_trace(table->unit, &bounds->lower);
    printf(",\"upper\":");
    print_trace(table->unit, &bounds->upper);
    printf("}");
}

void esp_print_seed(const struct esp_table *table,
                    const struct esp_replay_call *call,
                    int seed,
                    const struct esp_replay_result *result,
                    const struct esp_bounds *bounds,
                    const struct esp_replay_summary *summary)
{
    printf("{");
    print_names(table, call);
    printf(",\"seed\":%d,\"trace\":", seed);
    print_trace(table->unit, result);
    printf(",\"decisions\":%llu,\"decision_us\":{\"p50\":%.3f,\"p99\":%.3f},"
           "\"best_killed\":%s,\"trials\":%u,\"complete\":%u,\"discarded\":%u,\"diverged\":%u,"
           "\"score\":",
           (unsigned long long)result->decisions,
           summary->p50_us[summary->seeds - 1],
           summary->p99_us[summary->seeds - 1],
           result->best_killed ? "true" : "false",
           result->trials,
           result->complete,
           result->discarded,
           result->diverged);
    print_number("%.9g", result->score);
    printf(",\"best_score\":");
    print_number("%.9g", result->best_score);
    if (bounds) {
        print_bounds(table, result, bounds);
    }
    printf("}\n");
}

static const char *const within_names[ESP_WITHIN_COUNT] = {"0.01", "0.0025", "0.001", "rank20"};

static void print_reached(struct esp_replay_summary *summary, int within)
{
    printf("{\"median\":");
    double share = esp_reached_share(summary->cost[within], summary->seeds);
    print_number("%.6g", esp_median_of(summary->cost[within], summary->seeds));
    printf(",\"reached\":%.4g}", share);
}

static void print_pair(double lower, double upper)
{
    printf("[");
    print_loss(lower);
    printf(",");
    print_loss(upper);
    printf("]");
}

static void print_summary_bounds(const struct esp_table *table,
                                 struct esp_replay_findings *found)
{
    struct esp_replay_summary *run = &found->run, *lower = &found->lower,
                              *upper = &found->upper;
    printf(",\"censored\":{\"trials\":%u,\"of\":%u,\"left_out\":%u,\"decisions\":%.4g,"
           "\"spent\":%.4g},\"bounds\":{\"cost_to_within\":{",
           table->censored,
           table->trial_count,
           table->left_out,
           run->beyond_decisions / run->seeds,
           run->beyond_spent / run->seeds);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        printf("%s\"%s\":{\"lower\":", i ? "," : "", within_names[i]);
        print_reached(lower, i);
        printf(",\"upper\":");
        print_reached(upper, i);
        printf("}");
    }
    printf("},\"regret_at\":{");
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        printf("%s\"%g\":", b ? "," : "", esp_regret_budgets[b]);
        print_pair(esp_mean_of(lower->regret[b], lower->seeds),
                   esp_mean_of(upper->regret[b], upper->seeds));
    }
    printf("},\"returned\":");
    print_pair(esp_mean_of(lower->returned, lower->seeds),
               esp_mean_of(upper->returned, upper->seeds));
    printf("}");
}

void esp_print_summary(const struct esp_table *table,
                       const struct esp_replay_call *call,
                       struct esp_replay_findings *found)
{
    struct esp_replay_summary *run = &found->run;
    printf("{\"summary\":{");
    print_names(table, call);
    printf(",\"seeds\":%d,\"budget\":%g,\"full_training\":", run->seeds, call->run.budget);
    print_cost(table->unit, table->full);
    printf(",\"best\":");
    print_loss(esp_table_final(table, table->best));
    printf(",\"cost_to_within\":{");
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        printf("%s\"%s\":", i ? "," : "", within_names[i]);
        print_reached(run, i);
    }
    printf("},\"regret_at\":{");
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        printf("%s\"%g\":", b ? "," : "", esp_regret_budgets[b]);
        print_loss(esp_mean_of(run->regret[b], run->seeds));
    }
    printf("},\"best_killed\":%.4g,\"trials\":%.6g,\"discarded\":%.4g,"
           "\"decision_us\":{\"p50\":%.3f,\"p99\":%.3f}",
           (double)run->killed / run->seeds,
           run->trials / run->seeds,
           run->discarded / run->seeds,
           esp_median_of(run->p50_us, run->seeds),
           esp_median_of(run->p99_us, run->seeds));
    if (found->scores >= 0) {
        printf(",\"calibration\":{\"scores\":%d,\"needed\":%d,\"limit\":",
               found->scores,
               esp_discard_needed(call->policy.risk));
        print_number("%.9g", found->limit);
        printf("}");
    }
    if (table->censored > 0) {
        print_summary_bounds(table, found);
    }
    printf("}}\n");
}
