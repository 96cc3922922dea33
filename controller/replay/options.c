/* Reading the verb's options. */
#include "options.h"

#include "price.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seeds of one call: the benchmark's twenty, and fifty times as many for a close look. */
#define SEEDS_MAX 1000
#define WORKERS_MAX 1024
#define BUDGET_MAX 1e6

static const char usage[] =
    "usage: espalier replay TABLE.yaml|DIR... --method M --scheduler S [options]\n"
    "\n"
    "Runs a search on recorded trainings and says what it would have cost and found. "
    "TABLE.yaml\n"
    "is a table of recorded curves; DIR (or its study.db) a study of your own, also while it\n"
    "runs: its trials stand for the settings that are proposed. What a trial would have done\n"
    "beyond its record nobody knows: bounds are given that hold whatever that was.\n"
    "\n"
    "  --method M       grid, random, sobol, tpe, bayes (the default)\n"
    "  --scheduler S    none, asha, asha-stopping, median, ... (default: the product's own)\n"
    "                   or as a study file has it: '{type: patience, patience: 5}'\n"
    "  --prior P        step-law, step-law+2 (its learning rate moved by two octaves), none,\n"
    "                   or NAME=VALUE[,NAME=VALUE...][,width=OCTAVES] (default: step-law\n"
    "                   where the table says its model, usual values in many dimensions)\n"
    "  --eta E          the scheduler's eta\n"
    "  --risk R         chance that the best trial is ever discarded; needs one of:\n"
    "  --calibrate      measure on the other tables of this call what is safe to discard\n"
    "  --calibration FILE   take the scores for that from FILE, one number per line\n"
    "  --ablate PARTS   search without curve, schedule, prior (or several: curve,prior)\n"
    "  --seeds N        searches per table (20)\n"
    "  --first-seed K   the first one's seed (1)\n"
    "  --budget B       full trainings that a search may cost (20)\n"
    "  --cost UNIT      what is paid and what schedulers are told: tokens, or seconds of "
    "device\n"
    "                   time, one full training being the median recorded one (tokens)\n"
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

static bool read_unit(const char *text, enum esp_price *unit)
{
    for (int i = ESP_PRICE_TOKENS; i <= ESP_PRICE_SECONDS; i++) {
        if (strcmp(text, esp_price_name((enum esp_price)i)) == 0) {
            *unit = (enum esp_price)i;
            return true;
        }
    }
    fprintf(stderr, "espalier replay: --cost is \"%.60s\"; there are tokens, seconds\n", text);
    return false;
}

/* Options that need or exclude each other. */
static bool check_together(const struct esp_replay_call *call)
{
    bool calibrated = call->calibrate || call->calibration_path;
    bool risky = call->policy.risk > 0;
    if (call->calibrate && call->calibration_path) {
        fputs("espalier replay: --calibrate and --calibration: give one of them\n", stderr);
        return false;
    }
    if (calibrated && !risky && !esp_policy_is_described(&call->policy)) {
        fprintf(stderr,
                "espalier replay: --%s needs --risk R above 0, as --risk 0.05\n",
                call->calibrate ? "calibrate" : "calibration");
        return false;
    }
    if (risky && !calibrated) {
        fputs("espalier replay: --risk has nothing to go by; give --calibrate or "
              "--calibration FILE\n",
              stderr);
        return false;
    }
    return true;
}

int esp_replay_options_read(int argc, char **argv, struct esp_replay_call *options)
{
    enum {
        METHOD = 1000,
        SCHEDULER,
        PRIOR,
        ETA,
        RISK,
        ABLATE,
        SEEDS,
        FIRST,
        BUDGET,
        COST,
        CALIBRATE,
        CALIBRATION,
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
        {"ablate", required_argument, NULL, ABLATE},
        {"seeds", required_argument, NULL, SEEDS},
        {"first-seed", required_argument, NULL, FIRST},
        {"budget", required_argument, NULL, BUDGET},
        {"cost", required_argument, NULL, COST},
        {"calibrate", no_argument, NULL, CALIBRATE},
        {"calibration", required_argument, NULL, CALIBRATION},
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
                return ESP_REPLAY_USAGE;
            }
            break;
        case RISK:
            if (!read_number("risk", optarg, 0, 1, &options->policy.risk)) {
                return ESP_REPLAY_USAGE;
            }
            break;
        case ABLATE:
            options->policy.ablate = optarg;
            break;
        case SEEDS:
            if (!read_number("seeds", optarg, 1, SEEDS_MAX, &number)) {
                return ESP_REPLAY_USAGE;
            }
            options->seeds = (int)number;
            break;
        case FIRST:
            if (!read_number("first-seed", optarg, 0, 1e9, &number)) {
                return ESP_REPLAY_USAGE;
            }
            options->first_seed = (int)number;
            break;
        case BUDGET:
            if (!read_number("budget", optarg, 1e-6, BUDGET_MAX, &options->run.budget)) {
                return ESP_REPLAY_USAGE;
            }
            break;
        case COST:
            if (!read_unit(optarg, &options->unit)) {
                return ESP_REPLAY_USAGE;
            }
            break;
        case CALIBRATE:
            options->calibrate = true;
            break;
        case CALIBRATION:
            options->calibration_path = optarg;
            break;
        case WORKERS:
            if (!read_number("workers", optarg, 1, WORKERS_MAX, &number)) {
                return ESP_REPLAY_USAGE;
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
            return ESP_REPLAY_USAGE;
        }
    }
    if (optind >= argc) {
        fputs("espalier replay: no table or study\n\n", stderr);
        fputs(usage, stderr);
        return ESP_REPLAY_USAGE;
    }
    if (esp_policy_check(&options->policy, &error) < 0) {
        fprintf(stderr, "espalier replay: %s\n", error.text);
        return ESP_REPLAY_USAGE;
    }
    options->first_table = optind;
    return check_together(options) ? 0 : ESP_REPLAY_USAGE;
}
