/* Feeds libfyaml's events to the builder. The only file that includes libfyaml.h.
 *
 * Events are used rather than libfyaml's document, because a document expands merge keys, stops
 * at the first duplicate key, and does not limit what aliases multiply to. */
#include "yaml_build.h"

#include <errno.h>
#include <espalier/utf8.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct esp_yaml_builder builder;
    struct fy_parser *library;
    size_t last_offset; /* of the last event that has a place */
    int document_count;
};

/* Byte at which the event begins. Events of empty values have no place; they get that of the
 * event before. */
static size_t event_offset(struct parser *p, struct fy_event *event)
{
    const struct fy_mark *mark = fy_event_start_mark(event);

    if (mark && mark->input_pos <= p->builder.yaml->size) {
        p->last_offset = mark->input_pos;
    }
    return p->last_offset;
}

static struct esp_yaml_span span_of(struct fy_token *token)
{
    struct esp_yaml_span span = {NULL, 0};

    if (token) {
        span.text = fy_token_get_text(token, &span.length);
    }
    return span;
}

/* A tag !!str makes text of any scalar; other tags change nothing. */
static bool has_text_tag(struct fy_event *event)
{
    struct esp_yaml_span tag = span_of(fy_event_get_tag_token(event));

    return tag.text && tag.length >= 4 && memcmp(tag.text + tag.length - 4, ":str", 4) == 0;
}

static int take_scalar(struct parser *p, struct fy_event *event, size_t offset)
{
    struct fy_token *token = event->scalar.value;
    enum fy_scalar_style style = token ? fy_token_scalar_style(token) : FYSS_PLAIN;
    struct esp_yaml_span text = span_of(token);
    bool quoted = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;

    if (token && !text.text) {
        return -ENOMEM;
    }
    /* libfyaml's mark of a quoted scalar is behind the quote. */
    if (offset > 0 && quoted && strchr("'\"", p->builder.yaml->text[offset - 1])) {
        offset--;
    }
    return esp_yaml_build_scalar(&p->builder,
                                 text,
                                 style == FYSS_PLAIN && !has_text_tag(event),
                                 span_of(event->scalar.anchor),
                                 offset);
}

static int take_event(struct parser *p, struct fy_event *event)
{
    struct esp_yaml_builder *b = &p->builder;
    size_t offset = event_offset(p, event);

    switch (event->type) {
    case FYET_DOCUMENT_START:
        if (p->document_count++ > 0) {
            ESP_YAML_REFUSE(b, offset, "a second document begins here; one file is one study");
        }
        return 0;
    case FYET_SCALAR:
        return take_scalar(p, event, offset);
    case FYET_ALIAS:
        return esp_yaml_build_alias(b, span_of(event->alias.anchor), offset);
    case FYET_SEQUENCE_START:
        return esp_yaml_build_open(
            b, ESP_YAML_SEQUENCE, span_of(event->sequence_start.anchor), offset);
    case FYET_MAPPING_START:
        return esp_yaml_build_open(
            b, ESP_YAML_MAPPING, span_of(event->mapping_start.anchor), offset);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        return esp_yaml_build_close(b);
    default:
        return 0;
    }
}

/* Whether the line is indented with a tab; libfyaml's messages do not always say so. */
static bool is_tab_indented(const struct esp_yaml *yaml, int line)
{
    size_t at;

    if (line < 1 || (size_t)line > yaml->line_count) {
        return false;
    }
    for (at = yaml->line_starts[line - 1]; yaml->text[at] == ' '; at++) {
    }
    return yaml->text[at] == '\t';
}

/* Byte at a line and a column (in characters, from 1) of the text. */
static size_t offset_of(const struct esp_yaml *yaml, int line, int column)
{
    size_t offset = yaml->line_starts[line - 1];

    while (--column > 0 && offset < yaml->size && yaml->text[offset] != '\n') {
        size_t step = esp_utf8_length(yaml->text + offset, yaml->size - offset);
        offset += step ? step : 1;
    }
    return offset;
}

/* Adds libfyaml's first message as a fault; later ones follow from the same error. */
static void fault_from_library(struct parser *p, struct fy_diag *diag)
{
    const struct esp_yaml *yaml = p->builder.yaml;
    void *iterator = NULL;
    struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iterator);
    size_t offset = p->last_offset;
    const char *message = e && e->msg && e->msg[0] ? e->msg : "this is not YAML";
    const char *remedy = "";

    if (e && e->line >= 1 && (size_t)e->line <= yaml->line_count) {
        offset = offset_of(yaml, e->line, e->column);
        if (is_tab_indented(yaml, e->line) || is_tab_indented(yaml, e->line + 1)) {
            remedy = "; indent with spaces instead of tabs";
        }
    }
    ESP_YAML_REFUSE(&p->builder, offset, "%s%s", message, remedy);
}

static int run(struct parser *p, struct fy_diag *diag)
{
    struct esp_yaml_builder *b = &p->builder;
    int rc = 0;

    if (fy_parser_set_string(p->library, b->yaml->text, b->yaml->size) != 0) {
        return -ENOMEM;
    }
    while (rc == 0 && !b->ended) {
        struct fy_event *event = fy_parser_parse(p->library);
        if (!event) {
            break;
        }
        rc = take_event(p, event);
        fy_parser_event_free(p->library, event);
    }
    if (rc == 0 && !b->ended && (fy_parser_get_stream_error(p->library) || b->depth > 0)) {
        fault_from_library(p, diag);
    }
    return rc;
}

/* Collects messages instead of printing them; NULL when out of memory. */
static struct fy_diag *create_diag(void)
{
    struct fy_diag_cfg cfg;
    struct fy_diag *diag;

    fy_diag_cfg_default(&cfg);
    cfg.fp = NULL;
    cfg.colorize = false;
    diag = fy_diag_create(&cfg);
    if (diag) {
        fy_diag_set_collect_errors(diag, true);
    }
    return diag;
}

int esp_yaml_build(struct esp_yaml *yaml)
{
    struct parser *p = calloc(1, sizeof *p);
    struct fy_diag *diag = create_diag();
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                        FYPCF_DISABLE_ACCELERATORS | FYPCF_JSON_NONE,
                               .diag = diag};
    int rc = -ENOMEM;

    if (!p || !diag) {
        goto out;
    }
    p->builder.yaml = yaml;
    p->library = fy_parser_create(&cfg);
    if (!p->library) {
        goto out;
    }
    rc = run(p, diag);
    if (rc < 0 || p->builder.ended) {
        yaml->root = NULL;
    }

out:
    if (p) {
        esp_yaml_build_release(&p->builder);
        fy_parser_destroy(p->library);
    }
    fy_diag_destroy(diag);
    free(p);
    return rc;
}
