#include "cost_unit.h"

#include "summary.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define MICRO 1e6
/* The cost of a search fits in 63 bits: 2^26 s (777 days) are less than 2^46 µs, so 2^17 trials
 * may take as long as that. */
#define SECONDS_MAX 0x1p26

const char *esp_cost_unit_name(enum esp_cost_unit unit)
{
    return unit == ESP_COST_SECONDS ? "seconds" : "tokens";
}

double esp_cost_number(enum esp_cost_unit unit, int64_t cost)
{
    return unit == ESP_COST_SECONDS ? (double)cost / MICRO : (double)cost;
}

static int set_seconds(struct esp_table *table, uint32_t trial, struct esp_error *error)
{
    double before = 0;
    for (uint32_t i = table->first[trial]; i < table->first[trial + 1]; i++) {
        struct esp_table_point *point = &table->points[i];
        if (!(point->seconds >= before && point->seconds <= SECONDS_MAX)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "%s: trial %u at %lld tokens: %s; --cost seconds needs device "
                                 "seconds at every point that do not fall; use --cost tokens",
                                 table->source,
                                 trial,
                                 (long long)point->tokens,
                                 isnan(point->seconds)     ? "no seconds are recorded"
                                 : point->seconds < before ? "its seconds fall"
                                                           : "its seconds are not a duration");
        }
        before = point->seconds;
        point->cost = llround(point->seconds * MICRO);
    }
    return 0;
}

int esp_table_set_unit(struct esp_table *table,
                       enum esp_cost_unit unit,
                       struct esp_error *error)
{
    table->unit = unit;
    table->full = table->horizon;
    if (unit == ESP_COST_TOKENS) {
        for (uint32_t i = 0; i < table->first[table->trial_count]; i++) {
            table->points[i].cost = table->points[i].tokens;
        }
        return 0;
    }
    double *costs = malloc(table->trial_count * sizeof *costs);
    int count = 0;
    if (!costs) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    for (uint32_t t = 0; t < table->trial_count; t++) {
        int rc = set_seconds(table, t, error);
        if (rc < 0) {
            free(costs);
            return rc;
        }
        if (table->ends[t] == ESP_TABLE_COMPLETE) {
            costs[count++] = (double)table->points[table->first[t + 1] - 1].cost;
        }
    }
    table->full = llround(esp_median_of(costs, count));
    free(costs);
    return table->full > 0
               ? 0
               : esp_error_set(error,
                               -EINVAL,
                               "%s: the median full training took 0 seconds; use --cost tokens",
                               table->source);
}

int64_t esp_table_rest(const struct esp_table *table, uint32_t trial, uint32_t next)
{
    uint32_t first = table->first[trial], end = table->first[trial + 1];
    const struct esp_table_point *last = &table->points[end - 1];
    int64_t paid = next > first ? table->points[next - 1].cost : 0;
    int64_t rest = last->cost - paid;
    if (table->ends[trial] == ESP_TABLE_CENSORED) {
        double pace = (double)last->cost / (double)last->tokens;
        rest += llround(pace * (double)(table->horizons[trial] - last->tokens));
    }
    return rest;
}
