/* Reads the top level of a study file into struct esp_study and collects all faults. */
#include "reader.h"

#include "../search/registry.h"

#include <espalier/config.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct esp_yaml_node *top_key(const struct reader *r, const char *name)
{
    return esp_section_get(&esp_section_top, r->root, name);
}

void esp_reader_warn(struct reader *r, const char *format, ...)
{
    size_t used = strlen(r->warning);
    va_list args;

    if (used > 0 && used + 3 < sizeof r->warning) {
        used += (size_t)snprintf(r->warning + used, sizeof r->warning - used, "; ");
    }
    va_start(args, format);
    vsnprintf(r->warning + used, sizeof r->warning - used, format, args);
    va_end(args);
}

/* One warning for all keys that have no effect here. */
static void warn_unused_keys(struct reader *r)
{
    char keys[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < esp_section_top.count; i++) {
        const struct esp_key *key = &esp_section_top.keys[i];
        if (key->no_effect && top_key(r, key->name)) {
            used += (size_t)snprintf(
                keys + used, sizeof keys - used, "%s%s", used ? ", " : "", key->name);
        }
    }
    if (used > 0) {
        esp_reader_warn(r, "keys for a W&B server have no effect here: %s", keys);
    }
}

/* Takes the name from the file's name, without its folder and ending. */
static void name_from_file(struct reader *r)
{
    const char *file = esp_yaml_name(r->yaml);
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    const char *dot = strrchr(base, '.');
    size_t length = dot && dot > base ? (size_t)(dot - base) : strlen(base);
    size_t room = sizeof r->study->name - 1;

    length = length < room ? length : room;
    memcpy(r->study->name, base, length);
    r->study->name[length] = '\0';
    if (length == 0) {
        snprintf(r->study->name, sizeof r->study->name, "study");
    }
}

static void read_names(struct reader *r)
{
    const struct esp_yaml_node *name = top_key(r, "name");
    const struct esp_yaml_node *description = top_key(r, "description");
    struct esp_study *study = r->study;

    if (!name) {
        name_from_file(r);
    } else if (esp_yaml_read_text(r->yaml, name, "name", study->name, sizeof study->name)) {
        if (study->name[0] == '\0') {
            esp_yaml_fault(r->yaml, name, "name is empty");
        }
        for (const char *c = study->name; *c; c++) {
            if ((unsigned char)*c < 0x20) {
                esp_yaml_fault(r->yaml, name, "name must be one line without tabs");
                break;
            }
        }
    }
    if (description && !esp_yaml_is_null(description)) {
        esp_yaml_read_text(
            r->yaml, description, "description", study->description, sizeof study->description);
    }
}

static void read_method(struct reader *r)
{
    const char *names[ESP_SAMPLER_NAMES_MAX];
    char list[ESP_SAMPLER_LIST_MAX];
    const struct esp_yaml_node *node = top_key(r, "method");
    int index;

    esp_sampler_names(names);
    esp_sampler_list(list);
    if (!node) {
        if (!esp_yaml_has_near(r->root, "method")) {
            esp_yaml_fault(r->yaml, r->root, "`method` is missing: %s", list);
        }
        return;
    }
    if (strcmp(esp_yaml_scalar(node), "custom") == 0) {
        esp_yaml_fault(
            r->yaml, node, "method custom needs a scheduler of a W&B server; use %s", list);
        return;
    }
    if (esp_yaml_read_word(r->yaml, node, "method", names, &index)) {
        r->study->method = esp_samplers[index].method;
    }
}

static void read_counts(struct reader *r)
{
    const struct esp_key_section *top = &esp_section_top;
    const struct esp_yaml_node *workers = top_key(r, "workers");
    int64_t seed = 0;

    esp_section_read_whole(top, r->yaml, r->root, "seed", &seed);
    r->study->seed = (uint64_t)seed;
    esp_section_read_whole(top, r->yaml, r->root, "run_cap", &r->study->run_cap);
    if (workers && strcmp(esp_yaml_scalar(workers), "auto") != 0) {
        esp_section_read_whole(top, r->yaml, r->root, "workers", &r->study->workers);
    }
}

/* Reads what trains: the built-in trainer or a program, and exactly one of them. */
static void read_trainer(struct reader *r)
{
    const struct esp_yaml_node *trainer = top_key(r, "trainer");
    const struct esp_yaml_node *program =
        esp_section_get_key(&esp_section_top, r->root, "program");
    const struct esp_yaml_node *command =
        esp_section_get_key(&esp_section_top, r->root, "command");

    esp_trainer_init(&r->study->trainer);
    if (trainer && (program || command)) {
        esp_yaml_fault(r->yaml,
                       program ? program : command,
                       "`%s` and `trainer` exclude each other: a program of your own, or the "
                       "built-in trainer",
                       program ? "program" : "command");
        return;
    }
    if (!trainer && !program && !command &&
        (esp_yaml_has_near(r->root, "trainer") || esp_yaml_has_near(r->root, "program") ||
         esp_yaml_has_near(r->root, "command"))) {
        return;
    }
    if (!trainer && !program && !command) {
        esp_yaml_fault(
            r->yaml,
            r->root,
            "there is nothing to train: give `trainer` for the built-in one, or `program` "
            "or `command` for your own");
        return;
    }
    if (trainer) {
        r->study->abilities = esp_abilities_builtin();
        r->trainer = trainer;
        esp_config_read_trainer(
            r->yaml, trainer, r->base_dir, &r->study->trainer, r->trainer_nodes);
    } else {
        esp_read_command(r);
    }
}

static void read_root(struct reader *r)
{
    if (esp_yaml_kind(r->root) != ESP_YAML_MAPPING) {
        esp_yaml_fault(r->yaml,
                       r->root,
                       "a study is a mapping of keys like `method` and `parameters`, not %s",
                       esp_yaml_kind_name(r->root));
        return;
    }
    esp_section_check(&esp_section_top, r->yaml, r->root);
    read_names(r);
    read_counts(r);
    read_method(r);
    read_trainer(r);
    int before = esp_yaml_fault_count(r->yaml);
    esp_read_parameters(r);
    r->parameters_good = esp_yaml_fault_count(r->yaml) == before;
    esp_read_metric(r);
    esp_read_prior(r);
    esp_read_stopping(r);
    esp_read_budget(r);
    warn_unused_keys(r);
    esp_check_study(r);
    esp_merge_equal_values(r);
    esp_warn_yaml_versions(r);
}

static int read_document(struct esp_yaml *yaml,
                         const char *base_dir,
                         struct esp_study **out,
                         struct esp_study_messages *messages,
                         struct esp_error *error)
{
    struct reader *r = calloc(1, sizeof *r);
    struct esp_study *study = calloc(1, sizeof *study);
    int rc = -ENOMEM;

    if (!r || !study) {
        goto out;
    }
    assert(esp_trainer_field_count <= READER_FIELDS_MAX);
    r->yaml = yaml;
    r->root = esp_yaml_root(yaml);
    r->base_dir = base_dir;
    r->study = study;
    if (r->root) {
        read_root(r);
    }
    study->source = strdup(esp_yaml_text(yaml));
    if (!study->source || r->out_of_memory) {
        goto out;
    }
    if (messages) {
        messages->faults = esp_yaml_fault_count(yaml) ? esp_yaml_faults_text(yaml) : NULL;
        messages->warning = r->warning[0] ? strdup(r->warning) : NULL;
    }
    rc = esp_yaml_faults(yaml, error);

out:
    if (rc == -ENOMEM) {
        esp_error_set(error, rc, "%s: out of memory", esp_yaml_name(yaml));
    }
    if (rc == 0) {
        *out = study;
    } else {
        esp_study_destroy(study);
    }
    free(r);
    return rc;
}

int esp_study_read_text(const char *text,
                        const char *file_name,
                        const char *base_dir,
                        struct esp_study **out,
                        struct esp_study_messages *messages,
                        struct esp_error *error)
{
    struct esp_yaml *yaml = NULL;
    int rc;

    if (messages) {
        *messages = (struct esp_study_messages){NULL, NULL};
    }
    rc = esp_yaml_open_text(text, strlen(text), file_name, &yaml, error);
    if (rc == 0) {
        rc = read_document(yaml, base_dir, out, messages, error);
    }
    esp_yaml_destroy(yaml);
    return rc;
}

int esp_study_read_file(const char *path,
                        struct esp_study **out,
                        struct esp_study_messages *messages,
                        struct esp_error *error)
{
    char folder[ESP_PATH_MAX];
    struct esp_yaml *yaml = NULL;
    int rc;

    if (messages) {
        *messages = (struct esp_study_messages){NULL, NULL};
    }
    rc = esp_yaml_open_file(path, &yaml, error);
    if (rc == 0) {
        rc = esp_config_folder(path, folder, error);
    }
    if (rc == 0) {
        rc = read_document(yaml, folder, out, messages, error);
    }
    esp_yaml_destroy(yaml);
    return rc;
}

int esp_study_read_stopping(struct esp_study *study,
                            const char *text,
                            const char *name,
                            struct esp_error *error)
{
    struct reader *r = calloc(1, sizeof *r);
    struct esp_yaml *yaml = NULL;
    char *document = NULL;
    int rc = -ENOMEM;

    if (asprintf(&document, "early_terminate: %s", text) < 0) {
        document = NULL;
    }
    if (r && document) {
        rc = esp_yaml_open_text(document, strlen(document), name, &yaml, error);
    }
    if (rc == 0) {
        /* `text` may hold line breaks, and other keys behind them. */
        const struct esp_key_section only = {
            .path = "",
            .where = "",
            .prefix = "",
            .keys = esp_section_key(&esp_section_top, "early_terminate"),
            .count = 1};
        r->yaml = yaml;
        r->root = esp_yaml_root(yaml);
        r->study = study;
        esp_stopping_release(&study->stopping);
        if (r->root) {
            esp_section_check(&only, yaml, r->root);
            esp_read_stopping(r);
            esp_check_rungs(r);
        }
        rc = r->out_of_memory ? -ENOMEM : esp_yaml_faults(yaml, error);
    }
    if (rc == -ENOMEM) {
        esp_error_set(error, rc, "%s: out of memory", name);
    }
    study->stopping.line = study->stopping.column = 0; /* no line of the study's file */
    esp_yaml_destroy(yaml);
    free(document);
    free(r);
    return rc;
}

void esp_study_destroy(struct esp_study *study)
{
    esp_study_release(study);
    free(study);
}

void esp_study_messages_release(struct esp_study_messages *messages)
{
    free(messages->faults);
    free(messages->warning);
    *messages = (struct esp_study_messages){NULL, NULL};
}

void esp_study_folder_name(const struct esp_study *study, char *out, size_t size)
{
    size_t length;

    snprintf(out, size, "%s", study->name);
    length = strlen(out);
    for (size_t i = 0; i < length; i++) {
        bool leading = i == 0 || out[i - 1] == '-';
        if (out[i] == '/' || (leading && (out[i] == '.' || out[i] == ' '))) {
            out[i] = '-';
        }
    }
    for (size_t i = length; i > 0 && out[i - 1] == ' '; i--) {
        out[i - 1] = '-';
    }
}
