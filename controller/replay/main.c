/* The verb: its options, and results as JSON lines or as a table for people. */
#include "replay.h"

#include "plot.h"
#include "policy.h"
#include "run.h"
#include "summary.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
/* Seeds of one call: the benchmark's twenty, and fifty times as many for a close look. */
#define SEEDS_MAX 1000
#define WORKERS_MAX 1024
#define BUDGET_MAX 1e6

struct options {
    struct esp_policy policy;
    int seeds;
    int first_seed;
    struct esp_replay_options run;
    bool json;
    const char *plot_path; /* NULL: none */
};

static const char usage[] =
    "usage: espalier replay TABLE.yaml... --method M --scheduler S [options]\n"
    "\n"
    "Runs a search on tables of recorded trainings and says what it cost and found.\n"
    "\n"
    "  --method M       grid, random, sobol, tpe, bayes (the default)\n"
    "  --scheduler S    none, asha, asha-stopping, median, ... (default: the product's own)\n"
    "  --prior P        step-law, step-law+2 (its learning rate moved by two octaves), none,\n"
    "                   or NAME=VALUE[,NAME=VALUE...][,width=OCTAVES]\n"
    "  --eta E          the scheduler's eta\n"
    "  --risk R         chance that the best trial is ever discarded\n"
    "  --seeds N        searches per table (20)\n"
    "  --first-seed K   the first one's seed (1)\n"
    "  --budget B       full trainings that a search may cost (20)\n"
    "  --workers W      trials that train at once (1)\n"
    "  --json           one line per table and seed, then a summary line per table\n"
    "  --plot FILE.svg  regret against cost, a panel per table\n";

static bool read_number(const char *name, const char *text, double min, double max, double *out)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= min && number <= max)) {
        fprintf(stderr,
                "espalier replay: --%s is \"%s\"; it must be a number from %g to %g\n",
                name,
                text,
                min,
                max);
        return false;
    }
    *out = number;
    return true;
}

static int read_options(int argc, char **argv, struct options *options)
{
    enum {
        METHOD = 1000,
        SCHEDULER,
        PRIOR,
        ETA,
        RISK,
        SEEDS,
        FIRST,
        BUDGET,
        WORKERS,
        JSON,
        PLOT
    };
    static const struct option names[] = {
        {"method", required_argument, NULL, METHOD},
        {"scheduler", required_argument, NULL, SCHEDULER},
        {"prior", required_argument, NULL, PRIOR},
        {"eta", required_argument, NULL, ETA},
        {"risk", required_argument, NULL, RISK},
        {"seeds", required_argument, NULL, SEEDS},
        {"first-seed", required_argument, NULL, FIRST},
        {"budget", required_argument, NULL, BUDGET},
        {"workers", required_argument, NULL, WORKERS},
        {"json", no_argument, NULL, JSON},
        {"plot", required_argument, NULL, PLOT},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    double number;
    struct esp_error error;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", names, NULL)) != -1;) {
        switch (c) {
        case METHOD:
            options->policy.method = optarg;
            break;
        case SCHEDULER:
            options->policy.scheduler = optarg;
            break;
        case PRIOR:
            options->policy.prior = optarg;
            break;
        case ETA:
            if (!read_number("eta", optarg, 1.01, 100, &options->policy.eta)) {
                return EXIT_USAGE;
            }
            break;
        case RISK:
            if (!read_number("risk", optarg, 0, 1, &options->policy.risk)) {
                return EXIT_USAGE;
            }
            break;
        case SEEDS:
            if (!read_number("seeds", optarg, 1, SEEDS_MAX, &number)) {
                return EXIT_USAGE;
            }
            options->seeds = (int)number;
            break;
        case FIRST:
            if (!read_number("first-seed", optarg, 0, 1e9, &number)) {
                return EXIT_USAGE;
            }
            options->first_seed = (int)number;
            break;
        case BUDGET:
            if (!read_number("budget", optarg, 1e-6, BUDGET_MAX, &options->run.budget)) {
                return EXIT_USAGE;
            }
            break;
        case WORKERS:
            if (!read_number("workers", optarg, 1, WORKERS_MAX, &number)) {
                return EXIT_USAGE;
            }
            options->run.workers = (uint32_t)number;
            break;
        case JSON:
            options->json = true;
            break;
        case PLOT:
            options->plot_path = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return -1;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind >= argc) {
        fputs("espalier replay: no table\n\n", stderr);
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (esp_policy_check(&options->policy, &error) < 0) {
        fprintf(stderr, "espalier replay: %s\n", error.text);
        return EXIT_USAGE;
    }
    return 0;
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        if ((unsigned char)*text < 0x20) {
            printf("\\u%04x", *text);
        } else {
            putchar(*text);
        }
    }
    putchar('"');
}

/* JSON has no infinity: a loss prints as 1e30, a cost never reached as null. */
static void print_loss(double loss)
{
    if (isfinite(loss)) {
        printf("%.9g", loss);
    } else {
        printf("1e30");
    }
}

static void print_cost(double cost)
{
    if (isfinite(cost)) {
        printf("%.6g", cost);
    } else {
        printf("null");
    }
}

static void print_names(const struct esp_table *table, const struct options *options)
{
    printf("\"table\":");
    print_text(table->name);
    printf(",\"method\":");
    print_text(options->policy.method);
    printf(",\"scheduler\":");
    print_text(options->policy.scheduler);
    printf(",\"prior\":");
    print_text(options->policy.prior);
}

static void print_seed(const struct esp_table *table,
                       const struct options *options,
                       int seed,
                       const struct esp_replay_result *result,
                       const struct esp_replay_summary *summary)
{
    printf("{");
    print_names(table, options);
    printf(",\"seed\":%d,\"trace\":[", seed);
    for (size_t i = 0; i < result->trace_count; i++) {
        printf("%s[%lld,", i ? "," : "", (long long)result->trace[i].spent);
        print_loss(result->trace[i].returned);
        printf("]");
    }
    printf("],\"decisions\":%llu,\"decision_us\":{\"p50\":%.3f,\"p99\":%.3f},"
           "\"best_killed\":%s,\"trials\":%u,\"complete\":%u,\"discarded\":%u,"
           "\"diverged\":%u}\n",
           (unsigned long long)result->decisions,
           summary->p50_us[summary->seeds - 1],
           summary->p99_us[summary->seeds - 1],
           result->best_killed ? "true" : "false",
           result->trials,
           result->complete,
           result->pruned,
           result->diverged);
}

static double mean_of(const double *numbers, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++) {
        sum += numbers[i];
    }
    return sum / count;
}

static double reached_share(const double *costs, int count)
{
    int reached = 0;
    for (int i = 0; i < count; i++) {
        reached += isfinite(costs[i]);
    }
    return (double)reached / count;
}

static const char *const within_names[ESP_WITHIN_COUNT] = {"0.01", "0.0025", "0.001", "rank20"};

static void print_summary(const struct esp_table *table,
                          const struct options *options,
                          struct esp_replay_summary *summary)
{
    printf("{\"summary\":{");
    print_names(table, options);
    printf(",\"seeds\":%d,\"budget\":%g,\"best\":", summary->seeds, options->run.budget);
    print_loss(esp_table_final(table, table->best));
    printf(",\"cost_to_within\":{");
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        printf("%s\"%s\":{\"median\":", i ? "," : "", within_names[i]);
        double share = reached_share(summary->cost[i], summary->seeds);
        print_cost(esp_median_of(summary->cost[i], summary->seeds));
        printf(",\"reached\":%.4g}", share);
    }
    printf("},\"regret_at\":{");
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        printf("%s\"%g\":", b ? "," : "", esp_regret_budgets[b]);
        print_loss(mean_of(summary->regret[b], summary->seeds));
    }
    printf("},\"best_killed\":%.4g,\"decision_us\":{\"p50\":%.3f,\"p99\":%.3f}}}\n",
           (double)summary->killed / summary->seeds,
           esp_median_of(summary->p50_us, summary->seeds),
           esp_median_of(summary->p99_us, summary->seeds));
}

static void print_row(const struct esp_table *table, struct esp_replay_summary *summary)
{
    printf("%-34.34s", table->name);
    for (int i = 0; i < ESP_WITHIN_COUNT; i++) {
        double share = reached_share(summary->cost[i], summary->seeds);
        double median = esp_median_of(summary->cost[i], summary->seeds);
        if (isfinite(median)) {
            printf("  %6.2f %3.0f%%", median, 100 * share);
        } else {
            printf("       - %3.0f%%", 100 * share);
        }
    }
    for (int b = 0; b < ESP_REGRET_BUDGETS; b++) {
        printf("  %8.2g", mean_of(summary->regret[b], summary->seeds));
    }
    printf("  %5.0f%%  %8.0f\n",
           100.0 * summary->killed / summary->seeds,
           esp_median_of(summary->p99_us, summary->seeds));
}

static int replay_table(const struct esp_table *table,
                        const struct options *options,
                        struct esp_plot *plot)
{
    struct esp_study *study = NULL;
    struct esp_error error;
    struct esp_replay_summary summary;
    int rc = esp_table_study(table, &study, &error);
    if (rc == 0) {
        rc = esp_policy_apply(&options->policy, table, study, &error);
    }
    if (rc < 0) {
        fprintf(stderr, "espalier replay: %s: %s\n", table->name, error.text);
        esp_study_release(study);
        free(study);
        return EXIT_USAGE;
    }
    rc = esp_replay_summary_init(&summary, table, options->seeds);
    if (rc == 0 && options->plot_path) {
        rc = esp_plot_panel(plot, table, options->run.budget, options->seeds, &error);
        if (rc < 0) {
            fprintf(stderr, "espalier replay: %s\n", error.text);
        }
    }
    for (int i = 0; i < options->seeds && rc == 0; i++) {
        struct esp_replay_result result;
        study->seed = (uint64_t)(options->first_seed + i);
        rc = esp_replay_run(table, study, &options->run, &result, &error);
        if (rc < 0) {
            fprintf(stderr, "espalier replay: %s: %s\n", table->name, error.text);
            break;
        }
        esp_replay_summary_add(&summary, table, &result);
        if (options->plot_path) {
            esp_plot_add(plot, table, &result);
        }
        if (options->json) {
            print_seed(table, options, options->first_seed + i, &result, &summary);
        }
        esp_replay_result_release(&result);
    }
    if (rc == 0 && options->json) {
        print_summary(table, options, &summary);
    } else if (rc == 0) {
        print_row(table, &summary);
    }
    esp_replay_summary_release(&summary);
    esp_study_release(study);
    free(study);
    return rc == 0 ? 0 : rc == -ENOMEM ? 1 : EXIT_USAGE;
}

int esp_replay_main(int argc, char **argv)
{
    struct options options = {
        .policy = {.method = "bayes", .scheduler = "default", .prior = "default", .risk = NAN},
        .seeds = 20,
        .first_seed = 1,
        .run = {.budget = 20, .workers = 1},
    };
    int rc = read_options(argc, argv, &options);
    if (rc != 0) {
        return rc < 0 ? 0 : rc;
    }
    if (!options.json) {
        printf("%s + %s, %d seeds, %g full trainings\n",
               options.policy.method,
               options.policy.scheduler,
               options.seeds,
               options.run.budget);
        printf("%-34s  cost to stay within (share of seeds)          regret at"
               "                                          best    p99\n",
               "table");
        printf("%-34s  %11s  %11s  %11s  %11s  %8s  %8s  %8s  %8s  %8s  killed        us\n",
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
    struct esp_plot plot = {0};
    struct esp_error error;
    for (int i = optind; i < argc && rc == 0; i++) {
        struct esp_table table;
        if (esp_table_read(argv[i], &table, &error) < 0) {
            fprintf(stderr, "espalier replay: %s\n", error.text);
            esp_plot_release(&plot);
            return EXIT_USAGE;
        }
        rc = replay_table(&table, &options, &plot);
        fflush(stdout);
        esp_table_release(&table);
    }
    if (rc == 0 && options.plot_path) {
        char title[ESP_NAME_MAX];
        snprintf(title,
                 sizeof title,
                 "%.50s + %.50s",
                 options.policy.method,
                 options.policy.scheduler);
        if (esp_plot_write(&plot, title, options.plot_path, &error) < 0) {
            fprintf(stderr, "espalier replay: %s\n", error.text);
            rc = 1;
        }
    }
    esp_plot_release(&plot);
    return rc;
}
