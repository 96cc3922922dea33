#include "human.h"

#include "json.h"

#include <math.h>
#include <string.h>
#include <wchar.h>

void esp_human_value(struct esp_buffer *text, const struct esp_value *value)
{
    if (value->type == ESP_VALUE_REAL) {
        esp_buffer_addf(text, "%.4g", value->real);
    } else if (value->type == ESP_VALUE_TEXT) {
        esp_buffer_add(text, value->text ? value->text : "");
    } else {
        esp_json_value(text, value);
    }
}

void esp_human_count(struct esp_buffer *text, double count)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};
    int unit = 0;
    while (fabs(count) >= 999.5 && unit < 5) {
        count /= 1000;
        unit++;
    }
    if (unit == 0) {
        esp_buffer_addf(text, "%.0f", count);
    } else {
        esp_buffer_addf(text, "%.3g%s", count, units[unit]);
    }
}

void esp_human_seconds(struct esp_buffer *text, double seconds)
{
    if (!isfinite(seconds) || seconds < 0) {
        esp_buffer_add(text, "?");
    } else if (seconds < 10) {
        esp_buffer_addf(text, "%.1f s", seconds);
    } else if (seconds < 59.5) {
        esp_buffer_addf(text, "%.0f s", seconds);
    } else if (seconds < 3599.5) {
        long whole = lround(seconds);
        esp_buffer_addf(text, "%ld min %ld s", whole / 60, whole % 60);
    } else {
        long minutes = lround(seconds / 60);
        esp_buffer_addf(text, "%ld h %ld min", minutes / 60, minutes % 60);
    }
}

int esp_human_width(const char *string)
{
    mbstate_t state = {0};
    int width = 0;
    const char *p = string;
    while (*p) {
        wchar_t wide;
        size_t length = mbrtowc(&wide, p, strlen(p), &state);
        if (length == (size_t)-1 || length == (size_t)-2) {
            state = (mbstate_t){0};
            width++;
            p++;
            continue;
        }
        int columns = wcwidth(wide);
        width += columns > 0 ? columns : 0;
        p += length;
    }
    return width;
}

void esp_human_wrapped(
    struct esp_buffer *text, const char *words, int column, int indent, int width)
{
    bool begins_line = true;
    struct esp_buffer word = {0};
    for (const char *p = words + strspn(words, " "); *p; p += strspn(p, " ")) {
        size_t length = strcspn(p, " ");
        esp_buffer_clear(&word);
        esp_buffer_add_bytes(&word, p, length);
        int columns = esp_human_width(esp_buffer_get(&word));
        if (!begins_line && column + 1 + columns > width) {
            esp_buffer_addf(text, "\n%*s", indent, "");
            column = indent;
            begins_line = true;
        }
        esp_buffer_addf(text, "%s%s", begins_line ? "" : " ", esp_buffer_get(&word));
        column += columns + !begins_line;
        begins_line = false;
        p += length;
    }
    esp_buffer_add(text, "\n");
    text->failed |= word.failed;
    esp_buffer_release(&word);
}
