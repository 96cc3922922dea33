#include "json.h"

#include <espalier/json_text.h>
#include <math.h>

void esp_json_string(struct esp_buffer *text, const char *string)
{
    if (!string) {
        esp_buffer_add(text, "null");
        return;
    }
    char piece[ESP_JSON_PIECE_SIZE];
    esp_buffer_add(text, "\"");
    for (size_t used; (used = esp_json_piece(string, piece)) > 0; string += used) {
        esp_buffer_add(text, piece);
    }
    esp_buffer_add(text, "\"");
}

static void add_shortest(struct esp_buffer *text, double value)
{
    char digits[ESP_JSON_NUMBER_SIZE];
    esp_json_number(value, digits);
    esp_buffer_add(text, digits);
}

void esp_json_real(struct esp_buffer *text, double value)
{
    if (isfinite(value)) {
        add_shortest(text, value);
    } else {
        esp_buffer_add(text, "null");
    }
}

void esp_json_value(struct esp_buffer *text, const struct esp_value *value)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        esp_json_real(text, value->real);
        break;
    case ESP_VALUE_INTEGER:
        esp_buffer_addf(text, "%lld", (long long)value->integer);
        break;
    case ESP_VALUE_BOOLEAN:
        esp_buffer_add(text, value->integer ? "true" : "false");
        break;
    case ESP_VALUE_TEXT:
        esp_json_string(text, value->text);
        break;
    }
}
