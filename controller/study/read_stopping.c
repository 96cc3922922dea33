/* Reads the `early_terminate` section: a type and the keys that this type takes, by the rows of
 * controller/stop/registry.h. */
#include "reader.h"

#include "../search/registry.h"
#include "stopping_section.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct esp_yaml_node *
stopping_key(const struct reader *r, const struct esp_yaml_node *node, const char *name)
{
    return esp_section_get(&r->stopping->section, node, name);
}

/* Reads every key that the scheduler takes, or sets its default. */
static void read_keys(struct reader *r,
                      const struct esp_yaml_node *node,
                      const struct esp_scheduler_row *row,
                      struct esp_stopping *out)
{
    for (int i = 0; i < ESP_SCHEDULER_KEYS_MAX && row->keys[i]; i++) {
        const struct esp_stopping_key *key = esp_stopping_key_named(row->keys[i]);
        double x = strcmp(key->key.name, "risk") == 0 ? row->risk : key->key.fallback;
        if (key->key.type != ESP_KEY_LIST) {
            esp_section_read(&r->stopping->section, r->yaml, node, key->key.name, &x);
        }
        esp_stopping_set(out, key, x);
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

/* Reads `calibrate: [DIR or glob, …]`. The folders are opened when the study begins. */
static void read_calibrate(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *list = stopping_key(r, node, "calibrate");
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
                                                                : esp_yaml_kind_name(list));
        return;
    }
    if (count > ESP_CALIBRATE_ENTRIES_MAX) {
        esp_yaml_fault(r->yaml,
                       list,
                       "calibrate has %zu entries; it may have at most %d; use a glob",
                       count,
                       ESP_CALIBRATE_ENTRIES_MAX);
        return;
    }
    if (!(out->risk > 0)) {
        esp_yaml_fault(r->yaml, list, "calibrate has no effect without a `risk` above 0");
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

/* Whether no other row of the same word takes the key. */
static bool is_own_key(const struct esp_scheduler_row *row, const char *key)
{
    const char *word = esp_scheduler_word(row);
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *other = &esp_schedulers[i];
        if (other != row && strcmp(esp_scheduler_word(other), word) == 0 &&
            esp_scheduler_takes(other, key)) {
            return false;
        }
    }
    return esp_scheduler_takes(row, key);
}

/* The key of the file, if any, that chooses this row of those that share its word. */
static const char *chosen_by(const struct reader *r,
                             const struct esp_yaml_node *node,
                             const struct esp_scheduler_row *row)
{
    for (int i = 0; i < ESP_SCHEDULER_KEYS_MAX && row->keys[i]; i++) {
        if (stopping_key(r, node, row->keys[i]) && is_own_key(row, row->keys[i])) {
            return row->keys[i];
        }
    }
    return NULL;
}

/* Checks keys against each other. */
static void check_together(struct reader *r,
                           const struct esp_yaml_node *node,
                           const struct esp_scheduler_row *row,
                           const struct esp_stopping *stopping)
{
    if (stopping->min > 0 && stopping->max > 0 && stopping->min >= stopping->max) {
        esp_yaml_fault(r->yaml,
                       stopping_key(r, node, "min"),
                       "min %.9g is not less than max %.9g",
                       stopping->min,
                       stopping->max);
    }
    const char *fault = row->ops->fault ? row->ops->fault(stopping) : NULL;
    if (fault) {
        esp_yaml_fault(r->yaml, node, "%s", fault);
    }
}

/* Adds faults for keys that the scheduler does not take, and for missing ones that it needs. */
static void check_row(struct reader *r,
                      const struct esp_yaml_node *node,
                      const struct esp_scheduler_row *row)
{
    const char *word = esp_scheduler_word(row);
    const char *choice = row->variant ? chosen_by(r, node, row) : NULL;
    char with[128] = "";
    if (choice) {
        snprintf(with, sizeof with, " together with `%s` (%s)", choice, row->variant);
    }
    for (int i = 0; i < esp_stopping_key_count; i++) {
        const char *name = esp_stopping_keys[i].key.name;
        const struct esp_yaml_node *key =
            esp_section_get_key(&r->stopping->section, node, name);
        if (key && !esp_scheduler_takes(row, name)) {
            esp_yaml_fault(
                r->yaml, key, "early_terminate %s does not use `%s`%s", word, name, with);
        } else if (!key && esp_scheduler_requires(row, name)) {
            esp_yaml_fault(r->yaml, node, "early_terminate %s needs `%s`", word, name);
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

/* The scheduler's own default. A grid lists its trainings one by one and gets no further ones;
 * the seed of a program, or a seed that is searched, cannot be set. */
static void default_repeats(struct esp_study *study)
{
    bool ours = study->abilities.deterministic && !esp_sampler_of(study)->exhaustive &&
                !searches_seed(study);
    study->stopping.repeats = ours ? esp_scheduler_of(study)->repeats : 0;
}

static void read_repeats(struct reader *r, const struct esp_yaml_node *node)
{
    const struct esp_stopping_key *key = esp_stopping_key_named("repeats");
    const struct esp_yaml_node *value = stopping_key(r, node, "repeats");
    struct esp_stopping *out = &r->study->stopping;
    double repeats = 0;

    if (!value) {
        return;
    }
    esp_section_read(&r->stopping->section, r->yaml, node, "repeats", &repeats);
    esp_stopping_set(out, key, repeats);
    out->repeats_given = true;
    if (out->repeats > 0 && !r->study->abilities.deterministic) {
        esp_yaml_fault(
            r->yaml,
            value,
            "repeats needs the built-in trainer, because the seed of a program cannot "
            "be set; remove it or set it to 0");
    } else if (out->repeats > 0 && searches_seed(r->study)) {
        esp_yaml_fault(r->yaml,
                       value,
                       "repeats trains settings with further seeds, but `seed` is one of the "
                       "parameters that are searched; remove one of them");
    }
}

/* The row of the type that the file names. NULL, with a fault, where there is no such one. */
static const struct esp_scheduler_row *
read_type(struct reader *r, const struct esp_yaml_node *node, const struct esp_yaml_node *type)
{
    const struct esp_stopping_section *section = r->stopping;
    int index = 0;

    if (!esp_yaml_read_word(
            r->yaml, type, "the type of early_terminate", section->words, &index)) {
        return NULL;
    }
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        if (row->word && strcmp(row->word, section->words[index]) == 0 &&
            chosen_by(r, node, row)) {
            return row;
        }
    }
    return section->rows[index];
}

static void read_section(struct reader *r)
{
    const struct esp_yaml_node *node =
        esp_section_get(&esp_section_top, r->root, "early_terminate");
    struct esp_stopping *out = &r->study->stopping;
    const struct esp_yaml_node *type = node;

    esp_stopping_init(out);
    default_repeats(r->study);
    if (!node || esp_yaml_is_null(node)) {
        return;
    }
    out->line = esp_yaml_line(node);
    out->column = esp_yaml_column(node);
    if (esp_yaml_kind(node) == ESP_YAML_MAPPING) {
        esp_section_check(&r->stopping->section, r->yaml, node);
        type = stopping_key(r, node, "type");
        if (!type) {
            esp_yaml_fault(r->yaml, node, "early_terminate needs `type`, for example asha");
            return;
        }
    }
    const struct esp_scheduler_row *row = read_type(r, node, type);
    if (!row) {
        return;
    }
    out->type = row->type;
    default_repeats(r->study);
    read_repeats(r, node);
    check_row(r, node, row);
    int before = esp_yaml_fault_count(r->yaml);
    read_keys(r, node, row, out);
    if (esp_scheduler_takes(row, "calibrate")) {
        read_calibrate(r, node);
    }
    if (esp_yaml_fault_count(r->yaml) == before) {
        check_together(r, node, row, out);
    }
}

void esp_read_stopping(struct reader *r)
{
    struct esp_stopping_section section;

    esp_stopping_section_init(&section);
    r->stopping = &section;
    int before = esp_yaml_fault_count(r->yaml);
    read_section(r);
    r->stopping_good = esp_yaml_fault_count(r->yaml) == before;
    r->stopping = NULL;
}
