/* Reads the `trainer` section: a mapping whose keys are the fields of esp_trainer_fields.
 * Fields with a dot in their name may be in a mapping (`model`, `schedule`). */
#include <espalier/config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keys of one section: the rows of the table, `model`, and NULL, with room to spare. */
#define NAMES_MAX 160

struct reader {
    struct esp_yaml *yaml;
    const char *base_dir;
    struct esp_trainer *out;
    const struct esp_yaml_node **nodes; /* [esp_trainer_field_count] */
};

static bool is_glob(const char *path)
{
    return strpbrk(path, "*?[") != NULL;
}

/* Appends to a path of ESP_PATH_MAX bytes; with `escape`, a backslash precedes each special
 * character of a glob. -ENAMETOOLONG. */
static int append(char *out, size_t *used, const char *text, bool escape)
{
    for (; *text; text++) {
        size_t need = escape && strchr("*?[\\", *text) ? 2 : 1;
        if (*used + need >= ESP_PATH_MAX) {
            return -ENAMETOOLONG;
        }
        if (need == 2) {
            out[(*used)++] = '\\';
        }
        out[(*used)++] = *text;
    }
    out[*used] = '\0';
    return 0;
}

int esp_config_resolve(const char *path, const char *base_dir, char *out)
{
    char joined[ESP_PATH_MAX] = "";
    const char *home = getenv("HOME");
    size_t used = 0;
    int rc = 0;

    if (path[0] == '~' && path[1] == '/' && home) {
        rc = append(joined, &used, home, is_glob(path));
        path += 1;
    } else if (path[0] != '/') {
        while (path[0] == '.' && path[1] == '/') {
            path += 2;
        }
        rc = append(joined, &used, base_dir, is_glob(path));
        if (rc == 0 && (used == 0 || joined[used - 1] != '/')) {
            rc = append(joined, &used, "/", false);
        }
    }
    rc = rc < 0 ? rc : append(joined, &used, path, false);
    if (rc == 0) {
        memcpy(out, joined, used + 1);
    }
    return rc;
}

int esp_config_folder(const char *path, char *out, struct esp_error *error)
{
    char *real = realpath(path, NULL);
    char *slash;

    if (!real) {
        return esp_error_set(error, -errno, "%s: cannot be read: %s", path, strerror(errno));
    }
    slash = strrchr(real, '/');
    slash[slash == real ? 1 : 0] = '\0';
    snprintf(out, ESP_PATH_MAX, "%s", real);
    free(real);
    return 0;
}

static void
set_path(struct reader *r, const struct esp_field *field, const struct esp_yaml_node *node)
{
    char path[ESP_PATH_MAX];
    struct esp_value value = {ESP_VALUE_TEXT, 0, 0, path};
    struct esp_error error;

    if (!esp_yaml_read_text(r->yaml, node, field->name, path, sizeof path)) {
        return;
    }
    if (path[0] == '\0') {
        esp_yaml_fault(r->yaml, node, "%s is empty: name a file", field->name);
        return;
    }
    if (esp_config_resolve(path, r->base_dir, path) < 0) {
        esp_yaml_fault(r->yaml,
                       node,
                       "%s is, as an absolute path, longer than %d bytes",
                       field->name,
                       ESP_PATH_MAX - 1);
        return;
    }
    if (esp_trainer_set(r->out, field->name, &value, &error) < 0) {
        esp_yaml_fault(r->yaml, node, "%s", error.text);
    }
}

static void set_field(struct reader *r,
                      const struct esp_field *field,
                      const struct esp_yaml_node *key,
                      const struct esp_yaml_node *node)
{
    size_t index = (size_t)(field - esp_trainer_fields);
    struct esp_value value = esp_yaml_value(node);
    struct esp_error error;

    if (r->nodes[index]) {
        esp_yaml_fault(r->yaml,
                       key,
                       "%s is given twice, first on line %d",
                       field->name,
                       esp_yaml_line(r->nodes[index]));
        return;
    }
    r->nodes[index] = node;
    if (esp_yaml_kind(node) != ESP_YAML_SCALAR || esp_yaml_is_null(node)) {
        bool list = esp_yaml_kind(node) == ESP_YAML_SEQUENCE;
        esp_yaml_fault(r->yaml,
                       node,
                       "%s must be one value, not %s%s",
                       field->name,
                       esp_yaml_kind_name(node),
                       list ? "; a setting that is searched belongs in `parameters`" : "");
        return;
    }
    if (field->type == ESP_FIELD_PATH) {
        set_path(r, field, node);
    } else if (esp_trainer_set(r->out, field->name, &value, &error) < 0) {
        esp_yaml_fault(r->yaml, node, "%s", error.text);
    }
}

/* Lists the keys of a section: of `model` the fields below "model."; of `trainer` itself all
 * fields, nested ones by their last part. */
static void collect_names(const char *section, const char **names)
{
    size_t length = strlen(section);
    size_t count = 0;

    for (size_t i = 0; i < esp_trainer_field_count && count + 4 < NAMES_MAX; i++) {
        const char *name = esp_trainer_fields[i].name;
        const char *dot = strchr(name, '.');
        if (length == 0) {
            bool is_type = strcmp(name, "schedule.type") == 0;
            names[count++] = is_type ? "schedule" : dot ? dot + 1 : name;
        } else if (dot && (size_t)(dot - name) == length &&
                   strncmp(name, section, length) == 0) {
            names[count++] = dot + 1;
        }
    }
    if (length == 0) {
        names[count++] = "model";
    }
    names[count] = NULL;
}

static void
read_section(struct reader *r, const struct esp_yaml_node *node, const char *section)
{
    const char *names[NAMES_MAX];
    char where[64];

    collect_names(section, names);
    snprintf(where, sizeof where, "in trainer%s%s", section[0] ? "." : "", section);
    esp_yaml_check_keys(r->yaml, node, names, where);
    for (size_t i = 0; i < esp_yaml_size(node); i++) {
        const struct esp_yaml_node *key = esp_yaml_key(node, i);
        const struct esp_yaml_node *value = esp_yaml_item(node, i);
        const char *name = esp_yaml_scalar(key);
        char full[ESP_NAME_MAX];
        const struct esp_field *field;
        bool is_section = strcmp(name, "model") == 0 || strcmp(name, "schedule") == 0;

        if (section[0] == '\0' && is_section && esp_yaml_kind(value) == ESP_YAML_MAPPING) {
            read_section(r, value, name);
            continue;
        }
        if (section[0] == '\0' && strcmp(name, "model") == 0) {
            esp_yaml_fault(r->yaml,
                           value,
                           "trainer.model must be a mapping like {layers: 3, width: 96, heads: "
                           "3, context: 64}, not %s",
                           esp_yaml_kind_name(value));
            continue;
        }
        snprintf(full, sizeof full, "%s%s%s", section, section[0] ? "." : "", name);
        field = strlen(name) < ESP_NAME_MAX / 2 ? esp_trainer_field(full) : NULL;
        if (field) {
            set_field(r, field, key, value);
        }
    }
}

void esp_config_read_trainer(struct esp_yaml *yaml,
                             const struct esp_yaml_node *node,
                             const char *base_dir,
                             struct esp_trainer *out,
                             const struct esp_yaml_node **nodes)
{
    const struct esp_yaml_node *own[NAMES_MAX] = {NULL};
    struct reader r = {yaml, base_dir, out, nodes ? nodes : own};

    esp_trainer_init(out);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        r.nodes[i] = NULL;
    }
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(yaml,
                       node,
                       "trainer must be a mapping like {data: corpus.txt, tokens: 1e6}, not %s",
                       esp_yaml_kind_name(node));
        return;
    }
    read_section(&r, node, "");
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        if ((field->flags & ESP_FIELD_REQUIRED) != 0 && !r.nodes[i] &&
            !esp_yaml_has_near(node, field->name)) {
            esp_yaml_fault(
                yaml, node, "trainer.%s is missing: %s", field->name, field->meaning);
        }
    }
}
