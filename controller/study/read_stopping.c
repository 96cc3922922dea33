/* The `early_terminate` section: a type and the keys that this type takes.
 *
 * `hyperband` with W&B's keys (min_iter, max_iter, s, strict) is W&B's rule, counted in
 * reports; with ours, or none, it is the published one, counted in tokens. */
#include "reader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_ETA = 1 << 0,
    KEY_MIN = 1 << 1,
    KEY_MAX = 1 << 2,
    KEY_FORM = 1 << 3,
    KEY_RISK = 1 << 4,
    KEY_MIN_ITER = 1 << 5,
    KEY_MAX_ITER = 1 << 6,
    KEY_S = 1 << 7,
    KEY_STRICT = 1 << 8,
    KEY_STARTUP = 1 << 9,
    KEY_WARMUP = 1 << 10,
    KEY_PERCENTILE = 1 << 11,
    KEY_PATIENCE = 1 << 12,
    KEY_MIN_DELTA = 1 << 13,
    KEY_THRESHOLD = 1 << 14,
    KEY_AT = 1 << 15,
    KEY_REPEATS = 1 << 16, /* of every type */
    KEY_CALIBRATE = 1 << 17,
    KEY_RUNGS = KEY_ETA | KEY_MIN | KEY_MAX | KEY_RISK | KEY_CALIBRATE,
    KEY_WANDB = KEY_MIN_ITER | KEY_MAX_ITER | KEY_S | KEY_STRICT,
};

static const char *const all_keys[] = {"eta",           "min",
                                       "max",           "form",
                                       "risk",          "min_iter",
                                       "max_iter",      "s",
                                       "strict",        "startup_trials",
                                       "warmup_tokens", "percentile",
                                       "patience",      "min_delta",
                                       "threshold",     "at",
                                       "repeats",       "calibrate",
                                       "type",          NULL};

static const char *const type_names[] = {"none",
                                         "asha",
                                         "median",
                                         "hyperband",
                                         "bohb",
                                         "pasha",
                                         "halving",
                                         "cut",
                                         "percentile",
                                         "patience",
                                         "threshold",
                                         "freeze-thaw",
                                         NULL};

/* In the order of type_names. */
static const struct row {
    enum esp_scheduler_type type;
    unsigned keys;
    unsigned required;
} rows[] = {
    {ESP_SCHEDULER_NONE, 0, 0},
    {ESP_SCHEDULER_ASHA, KEY_RUNGS | KEY_FORM, 0},
    {ESP_SCHEDULER_MEDIAN, KEY_STARTUP | KEY_WARMUP, 0},
    {ESP_SCHEDULER_HYPERBAND, KEY_RUNGS, 0},
    {ESP_SCHEDULER_BOHB, KEY_RUNGS, 0},
    {ESP_SCHEDULER_PASHA, KEY_RUNGS, 0},
    {ESP_SCHEDULER_HALVING, KEY_RUNGS, 0},
    {ESP_SCHEDULER_CUT, KEY_ETA | KEY_AT | KEY_RISK | KEY_CALIBRATE, KEY_AT},
    {ESP_SCHEDULER_PERCENTILE, KEY_PERCENTILE | KEY_STARTUP | KEY_WARMUP, KEY_PERCENTILE},
    {ESP_SCHEDULER_PATIENCE, KEY_PATIENCE | KEY_MIN_DELTA | KEY_WARMUP, KEY_PATIENCE},
    {ESP_SCHEDULER_THRESHOLD, KEY_THRESHOLD | KEY_AT, KEY_THRESHOLD},
    {ESP_SCHEDULER_FREEZE_THAW, KEY_RUNGS, 0},
};
static const struct row wandb_row = {ESP_SCHEDULER_WANDB_HYPERBAND, KEY_WANDB | KEY_ETA, 0};

/* Counts are kept as doubles and ints. */
#define COUNT_MAX 1e9

/* A number and the range it must lie in; the bounds themselves belong to it unless said. */
struct number {
    const char *key;
    double low;
    double high;
    bool above_low; /* low itself is out */
    bool below_high;
    bool whole;
    const char *range;
};

static const struct number numbers[] = {
    {"eta", 1, 1e6, true, false, false, "a number above 1"},
    {"min", 0, HUGE_VAL, true, true, false, "above 0"},
    {"max", 0, HUGE_VAL, true, true, false, "above 0"},
    {"risk", 0, 1, false, true, false, "in [0, 1)"},
    {"min_iter", 1, COUNT_MAX, false, false, true, "a whole number, 1 or more"},
    {"max_iter", 1, COUNT_MAX, false, false, true, "a whole number, 1 or more"},
    {"s", 1, COUNT_MAX, false, false, true, "a whole number, 1 or more"},
    {"startup_trials", 1, COUNT_MAX, false, false, true, "a whole number, 1 or more"},
    {"warmup_tokens", 0, HUGE_VAL, false, true, false, "0 or more"},
    {"percentile", 0, 100, true, true, false, "between 0 and 100"},
    {"patience", 1, COUNT_MAX, false, false, true, "a whole number, 1 or more"},
    {"min_delta", 0, HUGE_VAL, false, true, false, "0 or more"},
    {"threshold", -HUGE_VAL, HUGE_VAL, true, true, false, "finite"},
    {"at", 0, HUGE_VAL, true, true, false, "above 0"},
    {"repeats", 0, 2, false, false, true, "0, 1 or 2"},
};

/* The number behind a key, or `fallback` where it is absent or wrong. */
static double read_number(struct reader *r,
                          const struct esp_yaml_node *node,
                          const char *key,
                          double fallback)
{
    const struct esp_yaml_node *value = esp_yaml_get(node, key);
    double x;

    if (!value || !esp_yaml_read_real(r->yaml, value, key, &x)) {
        return fallback;
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const struct number *n = &numbers[i];
        if (strcmp(n->key, key) != 0) {
            continue;
        }
        if (x < n->low || x > n->high || (n->above_low && x == n->low) ||
            (n->below_high && x == n->high) || (n->whole && x != floor(x))) {
            esp_yaml_fault(r->yaml, value, "%s must be %s, not %.9g", key, n->range, x);
            return fallback;
        }
    }
    return x;
}

static void read_numbers(struct reader *r,
                         const struct esp_yaml_node *node,
                         const struct row *row,
                         struct esp_stopping *out)
{
    unsigned keys = row->keys;
    const struct esp_yaml_node *strict = esp_yaml_get(node, "strict");
    const struct esp_yaml_node *form = esp_yaml_get(node, "form");

    out->eta = keys & KEY_ETA ? read_number(r, node, "eta", 3) : 0;
    out->min = keys & KEY_MIN ? read_number(r, node, "min", 0) : 0;
    out->max = keys & KEY_MAX ? read_number(r, node, "max", 0) : 0;
    out->risk = keys & KEY_RISK ? read_number(r, node, "risk", 0.05) : 0;
    out->min_iter = keys & KEY_MIN_ITER ? read_number(r, node, "min_iter", 0) : 0;
    out->max_iter = keys & KEY_MAX_ITER ? read_number(r, node, "max_iter", 0) : 0;
    out->s = keys & KEY_S ? (int)read_number(r, node, "s", 0) : 0;
    out->startup_trials =
        keys & KEY_STARTUP ? (int)read_number(r, node, "startup_trials", 5) : 0;
    out->warmup_tokens = keys & KEY_WARMUP ? read_number(r, node, "warmup_tokens", 0) : 0;
    out->percentile = keys & KEY_PERCENTILE ? read_number(r, node, "percentile", 50) : 0;
    out->patience = keys & KEY_PATIENCE ? (int)read_number(r, node, "patience", 1) : 0;
    out->min_delta = keys & KEY_MIN_DELTA ? read_number(r, node, "min_delta", 0) : 0;
    out->threshold = keys & KEY_THRESHOLD ? read_number(r, node, "threshold", NAN) : NAN;
    out->at = keys & KEY_AT ? read_number(r, node, "at", 0) : 0;
    if ((keys & KEY_STRICT) != 0) {
        out->strict = true; /* as W&B's schema fills it in */
        if (strict) {
            esp_yaml_read_boolean(r->yaml, strict, "strict", &out->strict);
        }
    }
    if ((keys & KEY_FORM) != 0 && form) {
        static const char *const forms[] = {"promotion", "stopping", NULL};
        int index = 0;
        esp_yaml_read_word(r->yaml, form, "form", forms, &index);
        out->stopping_form = index == 1;
    }
}

static bool add_entry(struct reader *r, const struct esp_yaml_node *item)
{
    struct esp_stopping *out = &r->study->stopping;
    char path[ESP_PATH_MAX];
    if (!esp_yaml_read_text(r->yaml, item, "a folder of `calibrate`", path, sizeof path)) {
        return false;
    }
    if (path[0] == '\0') {
        esp_yaml_fault(r->yaml, item, "a folder of `calibrate` is empty");
        return false;
    }
    struct esp_calibrate_entry *entry = &out->calibrate[out->calibrate_count];
    *entry = (struct esp_calibrate_entry){
        .path = strdup(path), .line = esp_yaml_line(item), .column = esp_yaml_column(item)};
    r->out_of_memory |= !entry->path;
    out->calibrate_count += entry->path != NULL;
    return entry->path != NULL;
}

/* `calibrate: [DIR or glob, …]`; what it names is looked at when the study begins. */
static void read_calibrate(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *list = esp_yaml_get(node, "calibrate");
    struct esp_stopping *out = &r->study->stopping;
    if (!list) {
        return;
    }
    size_t count = esp_yaml_size(list);
    if (esp_yaml_kind(list) != ESP_YAML_SEQUENCE || count == 0) {
        esp_yaml_fault(r->yaml,
                       list,
                       "calibrate must be a list of folders of finished studies, for example "
                       "[runs/*], not %s",
                       esp_yaml_kind(list) == ESP_YAML_SEQUENCE ? "an empty one"
                                                                : esp_yaml_kind_words(list));
        return;
    }
    if (count > ESP_CALIBRATE_ENTRIES_MAX) {
        esp_yaml_fault(r->yaml,
                       list,
                       "calibrate lists %zu entries, %d is the most; use a glob",
                       count,
                       ESP_CALIBRATE_ENTRIES_MAX);
        return;
    }
    if (!(out->risk > 0)) {
        esp_yaml_fault(r->yaml, list, "calibrate does nothing without a `risk` above 0");
        return;
    }
    out->calibrate = calloc(count, sizeof *out->calibrate);
    r->out_of_memory |= !out->calibrate;
    for (size_t i = 0; i < count && out->calibrate; i++) {
        if (!add_entry(r, esp_yaml_item(list, i))) {
            return;
        }
    }
}

static void check_order(struct reader *r,
                        const struct esp_yaml_node *node,
                        const struct esp_stopping *stopping)
{
    bool has_min = esp_yaml_get(node, "min_iter") != NULL;
    bool has_max = esp_yaml_get(node, "max_iter") != NULL;
    bool has_s = esp_yaml_get(node, "s") != NULL;

    if (stopping->min > 0 && stopping->max > 0 && stopping->min >= stopping->max) {
        esp_yaml_fault(r->yaml,
                       esp_yaml_get(node, "min"),
                       "min %.9g is not less than max %.9g",
                       stopping->min,
                       stopping->max);
    }
    if (stopping->type == ESP_SCHEDULER_WANDB_HYPERBAND && !has_min && !(has_max && has_s)) {
        esp_yaml_fault(r->yaml, node, "hyperband needs min_iter, or max_iter and s");
    }
}

static void check_row(struct reader *r,
                      const struct esp_yaml_node *node,
                      const struct row *row,
                      const char *type)
{
    for (size_t i = 0; strcmp(all_keys[i], "type") != 0; i++) {
        const struct esp_yaml_node *key = esp_yaml_get_key(node, all_keys[i]);
        if (key && !((row->keys | KEY_REPEATS) & (1u << i))) {
            bool mixed = row == &wandb_row;
            esp_yaml_fault(r->yaml,
                           key,
                           "early_terminate %s does not use `%s`%s",
                           type,
                           all_keys[i],
                           mixed ? " beside W&B's min_iter, max_iter, s and strict" : "");
        } else if (!key && (row->required & (1u << i))) {
            esp_yaml_fault(r->yaml, node, "early_terminate %s needs `%s`", type, all_keys[i]);
        }
    }
}

static bool searches_seed(const struct esp_study *study)
{
    for (int i = 0; i < study->param_count; i++) {
        if (strcmp(study->params[i].name, "seed") == 0 &&
            study->params[i].distribution != ESP_CONSTANT) {
            return true;
        }
    }
    return false;
}

/* Unless the file says otherwise, our own scheduler settles ties by a second seed; a grid names
 * its trainings one by one, and gets no other. */
static void default_repeats(struct esp_study *study)
{
    struct esp_stopping *out = &study->stopping;
    out->repeats = esp_study_scheduler(study) == ESP_SCHEDULER_FREEZE_THAW &&
                   study->abilities.deterministic && study->method != ESP_METHOD_GRID &&
                   !searches_seed(study);
}

static void read_repeats(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *value = esp_yaml_get(node, "repeats");
    struct esp_stopping *out = &r->study->stopping;

    if (!value) {
        return;
    }
    out->repeats = (int)read_number(r, node, "repeats", 0);
    out->repeats_by_name = true;
    if (out->repeats > 0 && !r->study->abilities.deterministic) {
        esp_yaml_fault(r->yaml,
                       value,
                       "repeats needs the built-in trainer: a program's seed is not ours to "
                       "set; leave it out or say 0");
    } else if (out->repeats > 0 && searches_seed(r->study)) {
        esp_yaml_fault(r->yaml,
                       value,
                       "repeats trains settings with further seeds, but `seed` is itself among "
                       "the parameters that are searched; take one of them out");
    }
}

static bool is_wandb(const struct esp_yaml_node *node)
{
    return esp_yaml_get(node, "min_iter") || esp_yaml_get(node, "max_iter") ||
           esp_yaml_get(node, "s") || esp_yaml_get(node, "strict");
}

void esp_read_stopping(struct reader *r)
{
    const struct esp_yaml_node *node = esp_yaml_get(r->root, "early_terminate");
    struct esp_stopping *out = &r->study->stopping;
    const struct esp_yaml_node *type = node;
    const struct row *row;
    int index;

    out->type = ESP_SCHEDULER_DEFAULT;
    out->threshold = NAN;
    default_repeats(r->study);
    if (!node || esp_yaml_is_null(node)) {
        return;
    }
    out->line = esp_yaml_line(node);
    out->column = esp_yaml_column(node);
    if (esp_yaml_kind(node) == ESP_YAML_MAPPING) {
        esp_yaml_check_keys(r->yaml, node, all_keys, "in early_terminate");
        type = esp_yaml_get(node, "type");
        if (!type) {
            esp_yaml_fault(r->yaml, node, "early_terminate needs `type`, for example asha");
            return;
        }
    }
    if (!esp_yaml_read_word(r->yaml, type, "the type of early_terminate", type_names, &index)) {
        return;
    }
    row = &rows[index];
    if (row->type == ESP_SCHEDULER_HYPERBAND && is_wandb(node)) {
        row = &wandb_row;
    }
    out->type = row->type;
    default_repeats(r->study);
    read_repeats(r, node);
    check_row(r, node, row, type_names[index]);
    read_numbers(r, node, row, out);
    if ((row->keys & KEY_CALIBRATE) != 0) {
        read_calibrate(r, node);
    }
    check_order(r, node, out);
}
