#include "override.h"

#include <espalier/study_section.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The byte at a line and column, both from 1; columns count characters. */
static const char *place(const char *text, int line, int column)
{
    for (; line > 1 && *text; text++) {
        line -= *text == '\n';
    }
    for (; column > 1 && *text && *text != '\n'; column--) {
        text++;
        while (((unsigned char)*text & 0xc0) == 0x80) {
            text++;
        }
    }
    return text;
}

/* The end of the scalar that begins at `begin`; NULL where it is not on one line. */
static const char *scalar_end(const char *begin, const char *value)
{
    if (*begin == '"') {
        for (const char *p = begin + 1; *p && *p != '\n'; p++) {
            if (*p == '\\' && p[1]) {
                p++;
            } else if (*p == '"') {
                return p + 1;
            }
        }
        return NULL;
    }
    if (*begin == '\'') {
        for (const char *p = begin + 1; *p && *p != '\n'; p++) {
            if (*p == '\'' && p[1] == '\'') {
                p++;
            } else if (*p == '\'') {
                return p + 1;
            }
        }
        return NULL;
    }
    size_t length = strlen(value);
    return length > 0 && strncmp(begin, value, length) == 0 ? begin + length : NULL;
}

/* Writes a double-quoted scalar (YAML 1.2, 5.7), with control characters and quotes escaped. */
static void write_quoted(FILE *out, const char *path)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p == '"' || *p == '\\') {
            fprintf(out, "\\%c", *p);
        } else if (*p < 0x20 || *p == 0x7f) {
            fprintf(out, "\\x%02X", *p);
        } else {
            fputc(*p, out);
        }
    }
    fputc('"', out);
}

int esp_study_override_data(const char *text,
                            const char *file_name,
                            const char *path,
                            char **out,
                            struct esp_error *error)
{
    struct esp_yaml *yaml = NULL;
    char *changed = NULL;
    int rc = esp_yaml_open_text(text, strlen(text), file_name, &yaml, error);
    if (rc) {
        return rc;
    }
    const struct esp_yaml_node *data =
        esp_yaml_get(esp_section_get(&esp_section_top, esp_yaml_root(yaml), "trainer"), "data");
    const char *begin = NULL, *end = NULL;
    rc = esp_yaml_faults(yaml, error);
    if (rc) {
        goto out;
    }
    if (!data || esp_yaml_kind(data) != ESP_YAML_SCALAR) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "%s: --data replaces trainer.data, but this file has none",
                           file_name);
        goto out;
    }
    begin = place(text, esp_yaml_line(data), esp_yaml_column(data));
    end = scalar_end(begin, esp_yaml_scalar(data));
    if (!end) {
        rc = esp_error_set(
            error,
            -EINVAL,
            "%s:%d:%d: --data cannot replace this trainer.data; write the path on "
            "one line",
            file_name,
            esp_yaml_line(data),
            esp_yaml_column(data));
        goto out;
    }
    size_t size = 0;
    FILE *stream = open_memstream(&changed, &size);
    if (!stream) {
        rc = -errno;
        goto out;
    }
    fwrite(text, 1, (size_t)(begin - text), stream);
    write_quoted(stream, path);
    fputs(end, stream);
    if (fclose(stream)) {
        rc = esp_error_set(error, -ENOMEM, "%s: out of memory", file_name);
        free(changed);
        goto out;
    }
    *out = changed;
out:
    esp_yaml_destroy(yaml);
    return rc;
}
