/* The rows of every section of the study file but `early_terminate` (controller/stop) and
 * `trainer` (trainer_fields.c). */
#include <espalier/study_section.h>

#include <espalier/limits.h>
#include <espalier/study.h>

#include <math.h>

#define ABOVE_0 .max = HUGE_VAL, .min_excluded = true, .max_excluded = true, .range = "above 0"
#define ANY_NUMBER                                                                             \
    .min = -HUGE_VAL, .max = HUGE_VAL, .min_excluded = true, .max_excluded = true,             \
    .range = "a finite number"
#define ROWS(rows) .keys = (rows), .count = sizeof(rows) / sizeof(rows)[0]

const char *const esp_goal_words[] = {"minimize", "maximize", NULL};

static const char *const prior_words[] = {
    [ESP_PRIOR_STEP_LAW] = "step-law",
    [ESP_PRIOR_NONE] = "none",
    NULL,
};
/* "latest" and "best" have no counterpart here (read_goals.c). */
static const char *const impute_words[] = {"worst", "latest", "best", "false", NULL};

#define WANDB_SERVER(name_)                                                                    \
    {                                                                                          \
        .name = (name_), .type = ESP_KEY_VALUE, .no_effect = true, .example = "x",             \
        .meaning = "for a W&B server; accepted, and without effect here"                       \
    }

static const struct esp_key top[] = {
    {.name = "name",
     .type = ESP_KEY_TEXT,
     .fallback_text = "the file's name without its ending",
     .meaning = "name of the study; the search is kept in the folder runs/NAME",
     .example = "tiny-shakespeare"},
    {.name = "description",
     .type = ESP_KEY_TEXT,
     .fallback_text = "empty",
     .meaning = "a note for the people who read the file",
     .example = "learning rate and batch size"},
    {.name = "method",
     .type = ESP_KEY_WORD,
     .required = true,
     .meaning = "the sampler: how the next setting is chosen",
     .example = "bayes"},
    {.name = "metric",
     .type = ESP_KEY_MAPPING,
     .fallback_text = "{name: val_loss, goal: minimize}; for a program {name: loss}",
     .meaning = "the value that is optimized",
     .example = "{name: val_loss, goal: minimize}"},
    {.name = "metrics",
     .type = ESP_KEY_LIST,
     .fallback_text = "none",
     .meaning = "W&B's list of metrics; it must have one entry, which is read like `metric`",
     .example = "[{name: val_loss, goal: minimize}]"},
    {.name = "parameters",
     .type = ESP_KEY_MAPPING,
     .required = true,
     .meaning = "what is searched: the name of each parameter and its distribution",
     .example = "{learning_rate: {distribution: log_uniform_values, min: 1e-4, max: 3e-2}}"},
    {.name = "run_cap",
     .type = ESP_KEY_WHOLE,
     .min = 1,
     .max = ESP_TRIALS_MAX,
     .fallback_text = "no limit",
     .unit = "trials",
     .meaning = "the search ends after this many trials",
     .example = "64"},
    {.name = "budget",
     .type = ESP_KEY_MAPPING,
     .fallback_text = "no limit",
     .meaning = "what the search may cost; it ends when the first limit is reached",
     .example = "{tokens: 2e7, hours: 1}"},
    {.name = "early_terminate",
     .type = ESP_KEY_MAPPING,
     .or_form = "the name of a scheduler",
     .fallback_text = "freeze-thaw where the trainer can save and its horizon is known; "
                      "else none",
     .meaning = "the scheduler: which trials are paused, continued and stopped before their "
                "horizon",
     .example = "{type: asha, eta: 3}"},
    {.name = "prior",
     .type = ESP_KEY_WORD,
     .words = prior_words,
     .or_form = "a mapping with a `center` of your own",
     .fallback_text = "step-law for the built-in trainer; none for a program",
     .meaning = "where good settings are expected before the first trial: where the Step Law "
                "puts the best learning rate and batch size, nowhere, or around a center",
     .used_by = "methods tpe and bayes",
     .example = "none"},
    {.name = "workers",
     .type = ESP_KEY_WHOLE,
     .min = 1,
     .max = ESP_PROCESSES_MAX,
     .or_form = "auto",
     .fallback_text = "auto, one per core",
     .unit = "processes",
     .meaning = "trial processes that train side by side",
     .example = "2"},
    {.name = "seed",
     .type = ESP_KEY_WHOLE,
     .max = 0x1p63, /* what is read as an int64_t is below */
     .range = "in [0, 2^63)",
     .meaning = "seed of the search's random choices; the trainings have trainer.seed",
     .example = "7"},
    {.name = "trainer",
     .type = ESP_KEY_MAPPING,
     .fallback_text = "none; then `program` or `command` is needed",
     .meaning = "the built-in trainer and its settings",
     .example = "{data: corpus.txt, tokens: 2e7}"},
    {.name = "program",
     .type = ESP_KEY_PATH,
     .fallback_text = "none",
     .meaning = "a training program of your own, instead of `trainer`; read and checked, not "
                "run yet",
     .example = "train.py"},
    {.name = "command",
     .type = ESP_KEY_LIST,
     .fallback_text = "[\"${env}\", \"${interpreter}\", \"${program}\", \"${args}\"]",
     .meaning = "the command line of your program, with W&B's macros; read and checked, not "
                "run yet",
     .example = "[python, train.py, \"${args}\"]"},
    WANDB_SERVER("project"),
    WANDB_SERVER("entity"),
    WANDB_SERVER("controller"),
    WANDB_SERVER("apiVersion"),
    WANDB_SERVER("kind"),
    WANDB_SERVER("job"),
    WANDB_SERVER("image_uri"),
    WANDB_SERVER("scheduler"),
};

static const struct esp_key metric[] = {
    {.name = "name",
     .type = ESP_KEY_TEXT,
     .required = true,
     .meaning = "the metric's name; the built-in trainer reports val_loss and train_loss",
     .example = "val_loss"},
    {.name = "goal",
     .type = ESP_KEY_WORD,
     .words = esp_goal_words,
     .meaning = "whether small or large values are good",
     .with = "name: val_loss"},
    {.name = "target",
     .type = ESP_KEY_REAL,
     ANY_NUMBER,
     .fallback_text = "none",
     .unit = "units of the metric",
     .meaning = "the search ends when a trial reaches this value",
     .example = "1.5",
     .with = "name: val_loss"},
    {.name = "impute",
     .type = ESP_KEY_WORD,
     .words = impute_words,
     .meaning =
         "W&B's substitute for the missing value of a failed trial; it has no effect here, "
         "where a failed trial always counts as bad",
     .with = "name: val_loss"},
    {.name = "impute_while_running",
     .type = ESP_KEY_WORD,
     .words = impute_words,
     .meaning = "the same for a trial that has not ended; it has no effect here",
     .fallback = 3,
     .with = "name: val_loss"},
};

static const struct esp_key prior[] = {
    {.name = "center",
     .type = ESP_KEY_MAPPING,
     .required = true,
     .meaning = "the expected best value of some or all parameters",
     .used_by = "methods tpe and bayes",
     .example = "{learning_rate: 1e-3}"},
    {.name = "width",
     .type = ESP_KEY_REAL,
     .max = 64,
     .min_excluded = true,
     .range = "above 0 and at most 64 octaves",
     .fallback = 0.75,
     .unit = "octaves",
     .meaning = "one standard deviation of the best value around the center",
     .used_by = "methods tpe and bayes",
     .with = "center: {learning_rate: 1e-3}"},
};

static const struct esp_key budget[] = {
    {.name = "tokens",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback_text = "no limit",
     .unit = "tokens",
     .meaning = "tokens that all trials together may train",
     .example = "2e7"},
    {.name = "hours",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback_text = "no limit",
     .unit = "device-hours",
     .meaning = "hours that all devices together may train",
     .example = "1"},
    {.name = "usd",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback_text = "no limit",
     .unit = "US dollars",
     .meaning = "money that the device-hours may cost; it needs price_per_hour",
     .example = "5",
     .with = "price_per_hour: 2.5"},
    {.name = "price_per_hour",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback_text = "unknown",
     .unit = "US dollars per device-hour",
     .meaning = "price of a device-hour",
     .example = "2.5"},
};

static const struct esp_key parameter[] = {
    {.name = "distribution",
     .type = ESP_KEY_WORD,
     .fallback_text = "categorical with `values`, constant with `value`, int_uniform between "
                      "whole numbers, uniform between others",
     .meaning = "how values are drawn",
     .example = "log_uniform_values, min: 1e-4, max: 3e-2"},
    {.name = "value", .type = ESP_KEY_VALUE, .meaning = "the only value", .example = "0.1"},
    {.name = "values",
     .type = ESP_KEY_LIST,
     .meaning = "the values to choose from",
     .example = "[8, 16, 32]"},
    {.name = "probabilities",
     .type = ESP_KEY_LIST,
     .meaning = "a probability for each of `values`; they sum to 1",
     .example = "[0.5, 0.25, 0.25]",
     .with = "values: [8, 16, 32]"},
    {.name = "min",
     .type = ESP_KEY_REAL,
     ANY_NUMBER,
     .fallback = NAN,
     .meaning = "lower bound; for log_uniform and inv_log_uniform a natural-log exponent",
     .example = "1e-4, max: 3e-2"},
    {.name = "max",
     .type = ESP_KEY_REAL,
     ANY_NUMBER,
     .fallback = NAN,
     .meaning = "upper bound; for log_uniform and inv_log_uniform a natural-log exponent",
     .example = "3e-2",
     .with = "min: 1e-4"},
    {.name = "mu",
     .type = ESP_KEY_REAL,
     ANY_NUMBER,
     .meaning = "mean of the normal distribution; for log_normal of the natural logarithm",
     .with = "distribution: normal"},
    {.name = "sigma",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback = 1,
     .meaning = "standard deviation of the normal distribution; for log_normal of the natural "
                "logarithm",
     .with = "distribution: normal"},
    {.name = "a",
     .type = ESP_KEY_REAL,
     .max = 1e6,
     .min_excluded = true,
     .range = "above 0 and at most 1e+06",
     .fallback = 1,
     .meaning = "first shape of the beta distribution on [0, 1]",
     .with = "distribution: beta"},
    {.name = "b",
     .type = ESP_KEY_REAL,
     .max = 1e6,
     .min_excluded = true,
     .range = "above 0 and at most 1e+06",
     .fallback = 1,
     .meaning = "second shape of the beta distribution on [0, 1]",
     .with = "distribution: beta"},
    {.name = "q",
     .type = ESP_KEY_REAL,
     ABOVE_0,
     .fallback = 1,
     .meaning = "values are rounded to multiples of q",
     .example = "0.5",
     .with = "distribution: q_uniform, min: 0, max: 10"},
    {.name = "parameters",
     .type = ESP_KEY_MAPPING,
     .meaning = "nested parameters, whose names are joined by dots",
     .example = "{warmup: {min: 0.0, max: 0.1}}"},
};

const struct esp_key_section esp_section_top = {
    .path = "", .where = "", .prefix = "", ROWS(top)};
const struct esp_key_section esp_section_metric = {
    .path = "metric", .where = "in metric", .prefix = "metric.", ROWS(metric)};
const struct esp_key_section esp_section_prior = {
    .path = "prior", .where = "in prior", .prefix = "prior.", ROWS(prior)};
const struct esp_key_section esp_section_budget = {
    .path = "budget", .where = "in budget", .prefix = "budget.", ROWS(budget)};
const struct esp_key_section esp_section_parameter = {
    .path = "parameters.NAME", .where = "of a parameter", .prefix = "", ROWS(parameter)};
