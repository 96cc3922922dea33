/* espalier replay: a search on recorded trainings. */
#include "../replay/replay.h"
#include "verb.h"

#include <string.h>

static int replay(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_replay_call call = {
        .policy = {.method = arguments->method,
                   .scheduler = arguments->scheduler,
                   .prior = arguments->prior,
                   .eta = arguments->eta,
                   .risk = arguments->risk,
                   .ablate = arguments->ablate},
        .seeds = (int)arguments->seeds,
        .first_seed = (int)arguments->first_seed,
        .run = {.budget = arguments->budget, .workers = (uint32_t)arguments->workers},
        .unit = strcmp(arguments->cost, "seconds") == 0 ? ESP_COST_SECONDS : ESP_COST_TOKENS,
        .calibrate = arguments->calibrate,
        .calibration_path = arguments->calibration,
        .json = arguments->json,
        .plot_path = arguments->plot,
    };
    return esp_replay_main(&call, arguments->operands, arguments->operand_count, error);
}

const struct esp_cli_verb esp_cli_row_replay = {
    .name = "replay",
    .operands = "TABLE.yaml|DIR…",
    .operand_min = 1,
    .operand_max = ESP_CLI_ANY,
    .summary = "Run a search on recorded trainings, to see what it would have cost and found",
    .details =
        "TABLE.yaml is a table of recorded loss curves. DIR is a recorded study of your own, "
        "which may still be running; its trials stand in for the settings that are proposed. "
        "What a trial would have done beyond its record is unknown; bounds are printed that "
        "hold whatever that was.\n\n"
        "With --json, one object is printed per table and seed, and then a summary per table.",
    .options = {ESP_OPTION_METHOD,
                ESP_OPTION_SCHEDULER,
                ESP_OPTION_PRIOR,
                ESP_OPTION_ETA,
                ESP_OPTION_RISK,
                ESP_OPTION_CALIBRATE,
                ESP_OPTION_CALIBRATION,
                ESP_OPTION_ABLATE,
                ESP_OPTION_SEEDS,
                ESP_OPTION_FIRST_SEED,
                ESP_OPTION_BUDGET,
                ESP_OPTION_COST,
                ESP_OPTION_PARALLEL,
                ESP_OPTION_JSON,
                ESP_OPTION_PLOT},
    .main = replay,
};
