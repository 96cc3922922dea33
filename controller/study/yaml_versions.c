/* Warns of whole numbers that YAML 1.1 and 1.2 read differently, where the study has numbers.
 */
#include "reader.h"

/* Warnings of this kind; one line of a terminal for each is enough to see what happens. */
#define WARNINGS_MAX 3

/* The recursion is bounded by the depth of the document. */
static void warn_below(struct reader *r, const struct esp_yaml_node *node, int *count)
{
    char clause[160];

    if (*count < WARNINGS_MAX && esp_yaml_differs(node, clause, sizeof clause)) {
        esp_reader_warn(r, "line %d: %s", esp_yaml_line(node), clause);
        (*count)++;
    }
    for (size_t i = 0; i < esp_yaml_size(node); i++) {
        warn_below(r, esp_yaml_item(node, i), count);
    }
}

void esp_warn_yaml_versions(struct reader *r)
{
    int count = 0;

    for (size_t i = 0; i < esp_section_top.count; i++) {
        const struct esp_key *key = &esp_section_top.keys[i];
        const struct esp_yaml_node *node =
            esp_section_get(&esp_section_top, r->root, key->name);
        bool text =
            key->type == ESP_KEY_TEXT || key->type == ESP_KEY_PATH || key->type == ESP_KEY_LIST;
        if (node && !text && !key->no_effect) {
            warn_below(r, node, &count);
        }
    }
}
