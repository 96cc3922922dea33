/* Reading the keys of a section by their rows. */
#include <espalier/study_section.h>

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A key with its section in front, for messages. */
#define LABEL_MAX 96

const struct esp_key *esp_section_key(const struct esp_key_section *section, const char *name)
{
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(section->keys[i].name, name) == 0) {
            return &section->keys[i];
        }
    }
    assert(!"a key of the study file without a row");
    return NULL;
}

const struct esp_yaml_node *esp_section_get(const struct esp_key_section *section,
                                            const struct esp_yaml_node *mapping,
                                            const char *name)
{
    return esp_yaml_get(mapping, esp_section_key(section, name)->name);
}

const struct esp_yaml_node *esp_section_get_key(const struct esp_key_section *section,
                                                const struct esp_yaml_node *mapping,
                                                const char *name)
{
    return esp_yaml_get_key(mapping, esp_section_key(section, name)->name);
}

void esp_section_check(const struct esp_key_section *section,
                       struct esp_yaml *yaml,
                       const struct esp_yaml_node *mapping)
{
    const char *names[ESP_SECTION_KEYS_MAX + 1];

    assert(section->count <= ESP_SECTION_KEYS_MAX);
    for (size_t i = 0; i < section->count; i++) {
        names[i] = section->keys[i].name;
    }
    names[section->count] = NULL;
    esp_yaml_check_keys(yaml, mapping, names, section->where);
}

static bool is_in_range(const struct esp_key *key, double x)
{
    bool low = x < key->min || (key->min_excluded && x == key->min);
    bool high = x > key->max || (key->max_excluded && x == key->max);

    return !low && !high && (key->type != ESP_KEY_WHOLE || x == floor(x));
}

/* Adds a fault where the number is out of range; `shown` is the number for the message. */
static bool check_range(struct esp_yaml *yaml,
                        const struct esp_key *key,
                        const char *label,
                        const struct esp_yaml_node *value,
                        double x,
                        const char *shown)
{
    char range[64];

    if (is_in_range(key, x)) {
        return true;
    }
    snprintf(range, sizeof range, "in [%.16g, %.16g]", key->min, key->max);
    esp_yaml_fault(
        yaml, value, "%s must be %s, not %s", label, key->range ? key->range : range, shown);
    return false;
}

static const char *
label_of(const struct esp_key_section *section, const struct esp_key *key, char *out)
{
    if (key->or_form && key->type == ESP_KEY_WHOLE) {
        snprintf(
            out, LABEL_MAX, "%s%s (a number or %s)", section->prefix, key->name, key->or_form);
    } else {
        snprintf(out, LABEL_MAX, "%s%s", section->prefix, key->name);
    }
    return out;
}

static bool read_real(struct esp_yaml *yaml,
                      const struct esp_key *key,
                      const char *label,
                      const struct esp_yaml_node *value,
                      double *out)
{
    char shown[32];
    double x;

    if (!esp_yaml_read_real(yaml, value, label, &x)) {
        return false;
    }
    snprintf(shown, sizeof shown, "%.9g", x);
    if (!check_range(yaml, key, label, value, x, shown)) {
        return false;
    }
    *out = x;
    return true;
}

/* Reads a value of the key's type; see esp_section_read. */
static bool read_value(struct esp_yaml *yaml,
                       const struct esp_key_section *section,
                       const struct esp_key *key,
                       const struct esp_yaml_node *value,
                       double *out)
{
    char buffer[LABEL_MAX];
    const char *label = label_of(section, key, buffer);
    bool on;
    int index;

    switch (key->type) {
    case ESP_KEY_REAL:
    case ESP_KEY_WHOLE:
        return read_real(yaml, key, label, value, out);
    case ESP_KEY_BOOLEAN:
        if (!esp_yaml_read_boolean(yaml, value, label, &on)) {
            return false;
        }
        *out = on;
        return true;
    case ESP_KEY_WORD:
        if (!esp_yaml_read_word(yaml, value, label, key->words, &index)) {
            return false;
        }
        *out = index;
        return true;
    default:
        assert(!"a key that special code reads");
        return false;
    }
}

bool esp_section_read(const struct esp_key_section *section,
                      struct esp_yaml *yaml,
                      const struct esp_yaml_node *mapping,
                      const char *name,
                      double *out)
{
    const struct esp_key *key = esp_section_key(section, name);
    const struct esp_yaml_node *value = esp_yaml_get(mapping, name);

    return !value || read_value(yaml, section, key, value, out);
}

bool esp_section_read_whole(const struct esp_key_section *section,
                            struct esp_yaml *yaml,
                            const struct esp_yaml_node *mapping,
                            const char *name,
                            int64_t *out)
{
    const struct esp_key *key = esp_section_key(section, name);
    const struct esp_yaml_node *value = esp_yaml_get(mapping, name);
    char buffer[LABEL_MAX];
    char shown[32];
    int64_t x;

    if (!value) {
        return true;
    }
    label_of(section, key, buffer);
    if (!esp_yaml_read_integer(yaml, value, buffer, &x)) {
        return false;
    }
    snprintf(shown, sizeof shown, "%lld", (long long)x);
    if (!check_range(yaml, key, buffer, value, (double)x, shown)) {
        return false;
    }
    *out = x;
    return true;
}
