#include "table_scale.h"

#include <math.h>

const char *const esp_table_scale_names[] = {
    [ESP_TABLE_LINEAR] = "linear",
    [ESP_TABLE_LOG] = "log",
    [ESP_TABLE_LOG1M] = "log1m",
    NULL,
};

static bool has_text(const struct esp_table_param *param)
{
    for (int i = 0; i < param->value_count; i++) {
        if (param->values[i].type == ESP_VALUE_TEXT) {
            return true;
        }
    }
    return false;
}

enum esp_table_scale esp_table_param_scale(const struct esp_table_param *param)
{
    return has_text(param) ? ESP_TABLE_LINEAR : param->scale;
}

double esp_table_param_number(const struct esp_table_param *param, int value)
{
    return has_text(param) ? value : param->values[value].real;
}

double esp_table_on_scale(enum esp_table_scale scale, double x)
{
    switch (scale) {
    case ESP_TABLE_LOG:
        return log(x);
    case ESP_TABLE_LOG1M:
        return log1p(-x);
    default:
        return x;
    }
}

double esp_table_share(enum esp_table_scale scale, double min, double max, double x)
{
    double a = esp_table_on_scale(scale, min), b = esp_table_on_scale(scale, max);
    return a == b ? 0.5 : (esp_table_on_scale(scale, x) - a) / (b - a);
}
