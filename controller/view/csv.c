#include "csv.h"

#include "json.h"

#include <math.h>
#include <string.h>

void esp_csv_string(struct esp_buffer *text, const char *string)
{
    if (!string) {
        return;
    }
    if (!strpbrk(string, ",\"\r\n")) {
        esp_buffer_add(text, string);
        return;
    }
    esp_buffer_add(text, "\"");
    for (const char *p = string; *p; p++) {
        esp_buffer_add_bytes(text, p, 1);
        if (*p == '"') {
            esp_buffer_add(text, "\"");
        }
    }
    esp_buffer_add(text, "\"");
}

void esp_csv_real(struct esp_buffer *text, double value)
{
    if (isfinite(value)) {
        esp_json_real(text, value);
    } else if (!isnan(value)) {
        esp_buffer_add(text, value > 0 ? "inf" : "-inf");
    }
}

void esp_csv_value(struct esp_buffer *text, const struct esp_value *value)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        esp_csv_real(text, value->real);
        break;
    case ESP_VALUE_TEXT:
        esp_csv_string(text, value->text);
        break;
    default:
        esp_json_value(text, value);
    }
}
