/* W&B's distributions (https://docs.wandb.ai/guides/sweeps/sweep-config-keys). */
#include "distribution.h"

#include <string.h>

const struct esp_distribution_row esp_distributions[] = {
    {"constant", ESP_CONSTANT, false, {"value"}, "always the same value"},
    {"categorical",
     ESP_CATEGORICAL,
     false,
     {"values"},
     "one of the values, all equally likely"},
    {"categorical_w_probabilities",
     ESP_CATEGORICAL_WEIGHTED,
     false,
     {"values", "probabilities"},
     "one of the values, with the probabilities given"},
    {"int_uniform",
     ESP_INT_UNIFORM,
     false,
     {"min", "max"},
     "a whole number from min to max, both included"},
    {"uniform", ESP_UNIFORM, false, {"min", "max"}, "uniform between min and max"},
    {"q_uniform", ESP_UNIFORM, true, {"min", "max", "q"}, "uniform, rounded to multiples of q"},
    {"log_uniform",
     ESP_LOG_UNIFORM,
     false,
     {"min", "max"},
     "exp(X) with X uniform between min and max"},
    {"q_log_uniform",
     ESP_LOG_UNIFORM,
     true,
     {"min", "max", "q"},
     "log_uniform, rounded to multiples of q"},
    {"log_uniform_values",
     ESP_LOG_UNIFORM_VALUES,
     false,
     {"min", "max"},
     "between min and max, with a uniform logarithm"},
    {"q_log_uniform_values",
     ESP_LOG_UNIFORM_VALUES,
     true,
     {"min", "max", "q"},
     "log_uniform_values, rounded to multiples of q"},
    {"inv_log_uniform",
     ESP_INV_LOG_UNIFORM,
     false,
     {"min", "max"},
     "exp(-X) with X uniform between min and max"},
    {"inv_log_uniform_values",
     ESP_INV_LOG_UNIFORM_VALUES,
     false,
     {"min", "max"},
     "between min and max, with a uniform logarithm of 1/X"},
    {"normal", ESP_NORMAL, false, {"mu", "sigma"}, "normal with mean mu and deviation sigma"},
    {"q_normal", ESP_NORMAL, true, {"mu", "sigma", "q"}, "normal, rounded to multiples of q"},
    {"log_normal",
     ESP_LOG_NORMAL,
     false,
     {"mu", "sigma"},
     "exp(X) with X normal with mean mu and deviation sigma"},
    {"q_log_normal",
     ESP_LOG_NORMAL,
     true,
     {"mu", "sigma", "q"},
     "log_normal, rounded to multiples of q"},
    {"beta", ESP_BETA, false, {"a", "b"}, "beta on [0, 1] with shapes a and b"},
    {"q_beta", ESP_BETA, true, {"a", "b", "q"}, "beta, rounded to multiples of q"},
};
const int esp_distribution_count = sizeof esp_distributions / sizeof *esp_distributions;

bool esp_distribution_takes(const struct esp_distribution_row *row, const char *key)
{
    for (int i = 0; i < ESP_DISTRIBUTION_KEYS_MAX && row->keys[i]; i++) {
        if (strcmp(row->keys[i], key) == 0) {
            return true;
        }
    }
    return false;
}

bool esp_distribution_requires(const struct esp_distribution_row *row, const char *key)
{
    static const char *const given[] = {"value", "values", "probabilities", "min", "max"};

    for (size_t i = 0; i < sizeof given / sizeof given[0]; i++) {
        if (strcmp(given[i], key) == 0) {
            return esp_distribution_takes(row, key);
        }
    }
    return false;
}
