/* A study file read as the settings of one training: `trainer`, and parameters that have one
 * value each. */
#include <espalier/config.h>
#include <espalier/study_section.h>

#include <errno.h>
#include <string.h>

/* The node of a parameter's only value; NULL, with a fault, where it does not have exactly one.
 */
static const struct esp_yaml_node *
find_value(struct esp_yaml *yaml, const char *name, const struct esp_yaml_node *node)
{
    const struct esp_yaml_node *value = esp_section_get(&esp_section_parameter, node, "value");
    const struct esp_yaml_node *values =
        esp_section_get(&esp_section_parameter, node, "values");

    if (esp_yaml_kind(node) == ESP_YAML_SCALAR) {
        return node;
    }
    if (value && !values) {
        return value;
    }
    if (values && !value && esp_yaml_kind(values) == ESP_YAML_SEQUENCE &&
        esp_yaml_size(values) == 1) {
        return esp_yaml_item(values, 0);
    }
    esp_yaml_fault(
        yaml,
        node,
        "%s does not have exactly one value; a training without a search needs {value: …}",
        name);
    return NULL;
}

static void read_parameters(struct esp_yaml *yaml,
                            const struct esp_yaml_node *node,
                            const char *prefix,
                            struct esp_trainer *out)
{
    if (esp_yaml_kind(node) != ESP_YAML_MAPPING) {
        esp_yaml_fault(
            yaml, node, "parameters must be a mapping, not %s", esp_yaml_kind_name(node));
        return;
    }
    for (size_t i = 0; i < esp_yaml_size(node); i++) {
        const struct esp_yaml_node *key = esp_yaml_key(node, i);
        const struct esp_yaml_node *item = esp_yaml_item(node, i);
        const struct esp_yaml_node *nested =
            esp_section_get(&esp_section_parameter, item, "parameters");
        const struct esp_yaml_node *value;
        char name[ESP_NAME_MAX];
        struct esp_error error;

        if ((size_t)snprintf(name,
                             sizeof name,
                             "%s%s%s",
                             prefix,
                             prefix[0] ? "." : "",
                             esp_yaml_scalar(key)) >= sizeof name) {
            esp_yaml_fault(yaml, key, "a name has at most %d bytes", ESP_NAME_MAX - 1);
            continue;
        }
        if (nested) {
            read_parameters(yaml, nested, name, out);
            continue;
        }
        const struct esp_field *field = esp_trainer_field(name);
        if (field && (field->flags & ESP_FIELD_SEARCHABLE) == 0) {
            esp_yaml_fault(
                yaml, key, "%s cannot be a parameter; set it in `trainer`", field->name);
            continue;
        }
        value = find_value(yaml, name, item);
        if (value) {
            struct esp_value setting = esp_yaml_value(value);
            if (esp_trainer_set(out, name, &setting, &error) < 0) {
                esp_yaml_fault(yaml, field ? value : key, "%s", error.text);
            }
        }
    }
}

static void read_root(struct esp_yaml *yaml, const char *base_dir, struct esp_trainer *out)
{
    const struct esp_yaml_node *root = esp_yaml_root(yaml);
    const struct esp_yaml_node *trainer = esp_section_get(&esp_section_top, root, "trainer");
    const struct esp_yaml_node *parameters =
        esp_section_get(&esp_section_top, root, "parameters");
    struct esp_error error;

    if (!root) {
        return;
    }
    if (esp_yaml_kind(root) != ESP_YAML_MAPPING) {
        esp_yaml_fault(yaml, root, "a study is a mapping, not %s", esp_yaml_kind_name(root));
        return;
    }
    esp_section_check(&esp_section_top, yaml, root);
    if (!trainer) {
        esp_yaml_fault(
            yaml, root, "`trainer` is missing: it sets the data and the model to train");
        return;
    }
    esp_config_read_trainer(yaml, trainer, base_dir, out, NULL);
    if (parameters) {
        read_parameters(yaml, parameters, "", out);
    }
    if (esp_yaml_fault_count(yaml) == 0 && esp_trainer_validate(out, &error) < 0) {
        esp_yaml_fault(yaml, trainer, "%s", error.text);
    }
}

int esp_config_read(const char *path, struct esp_trainer *out, struct esp_error *error)
{
    char folder[ESP_PATH_MAX];
    struct esp_yaml *yaml = NULL;
    struct esp_trainer trainer;
    int rc = esp_yaml_open_file(path, &yaml, error);

    if (rc < 0) {
        return rc;
    }
    rc = esp_config_folder(path, folder, error);
    if (rc < 0) {
        goto out;
    }
    read_root(yaml, folder, &trainer);
    rc = esp_yaml_faults(yaml, error);
    if (rc == 0) {
        *out = trainer;
    }

out:
    esp_yaml_destroy(yaml);
    return rc;
}
