/* espalier sample: runs `espalier-trial sample` on the latest checkpoint of a trial. */
#include "../system/launch.h"
#include "../view/best.h"
#include "../view/ledger.h"
#include "../view/rows.h"
#include "output.h"
#include "verb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct found {
    char path[ESP_PATH_MAX];
    bool any;
};

/* Checkpoints come in order, the latest first. */
static int take_first(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    struct found *found = context;
    if (!found->any) {
        snprintf(found->path, sizeof found->path, "%s", checkpoint->saved.path);
        found->any = true;
    }
    return 0;
}

/* Finds a checkpoint of the named trial, or of the best trial that has one. */
static int find_checkpoint(struct esp_ledger *ledger,
                           const char *named,
                           struct found *found,
                           struct esp_error *error)
{
    struct esp_rows rows = {0};
    struct esp_best best = {0};
    int64_t trial = -1;
    int rc;
    if (named) {
        rc = esp_arguments_trial(named, &trial, error);
        rc = rc < 0 ? rc : esp_rows_one(ledger->reader, trial, &rows, error);
        rc = rc < 0 ? rc
                    : esp_reader_checkpoints(ledger->reader, trial, take_first, found, error);
        if (rc == 0 && !found->any) {
            rc = esp_error_set(
                error,
                -ENOENT,
                "trial #%lld has no checkpoint. `espalier best` lists other trials.",
                (long long)trial);
        }
    } else {
        rc = esp_best_load(ledger, 0, &best, error);
        for (size_t i = 0; rc == 0 && i < best.rows.count && !found->any; i++) {
            rc = esp_reader_checkpoints(
                ledger->reader, best.rows.trials[i].trial, take_first, found, error);
        }
        if (rc == 0 && !found->any) {
            rc = esp_error_set(error, -ENOENT, "no trial has a checkpoint yet.");
        }
    }
    esp_best_release(&best);
    esp_rows_release(&rows);
    return rc;
}

static int sample(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct found found = {0};
    char program[ESP_PATH_MAX], path[2 * ESP_PATH_MAX], tokens[32], heat[40], seed[32];
    const char *dir = arguments->operands[0];
    int rc = esp_ledger_open(dir, &ledger, error);
    rc = rc < 0 ? rc
                : find_checkpoint(&ledger,
                                  arguments->operand_count > 1 ? arguments->operands[1] : NULL,
                                  &found,
                                  error);
    esp_ledger_close(&ledger);
    if (rc < 0) {
        return esp_exit_of(rc);
    }
    snprintf(path, sizeof path, "%s%s%s", found.path[0] == '/' ? "" : dir, "/", found.path);
    rc = esp_launch_find("espalier-trial", program, sizeof program);
    if (rc < 0) {
        esp_error_set(error, rc, "espalier-trial cannot be found: %s.", strerror(-rc));
        return ESP_EXIT_FAILURE;
    }
    const char *argv[16] = {"espalier-trial", "sample", path, "--temperature", heat};
    int count = 5;
    snprintf(heat, sizeof heat, "%.17g", arguments->temperature);
    if (arguments->prompt) {
        argv[count++] = "--prompt";
        argv[count++] = arguments->prompt;
    }
    if (arguments->tokens > 0) {
        snprintf(tokens, sizeof tokens, "%lld", (long long)arguments->tokens);
        argv[count++] = "--tokens";
        argv[count++] = tokens;
    }
    if (arguments->seed >= 0) {
        snprintf(seed, sizeof seed, "%lld", (long long)arguments->seed);
        argv[count++] = "--seed";
        argv[count++] = seed;
    }
    if (strcmp(arguments->device, "auto") != 0) {
        argv[count++] = "--device";
        argv[count++] = arguments->device;
    }
    argv[count] = NULL;
    execv(program, (char *const *)argv);
    esp_error_set(error, -errno, "%s: %s.", program, strerror(errno));
    return ESP_EXIT_FAILURE;
}

const struct esp_cli_verb esp_cli_row_sample = {
    .name = "sample",
    .operands = "DIR [TRIAL]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "Generate text with the model of a trial",
    .details = "The text comes from the latest checkpoint of TRIAL; default: the "
               "best trial that has one.",
    .options = {ESP_OPTION_PROMPT,
                ESP_OPTION_LENGTH,
                ESP_OPTION_TEMPERATURE,
                ESP_OPTION_SEED,
                ESP_OPTION_SAMPLE_DEVICE},
    .main = sample,
};
