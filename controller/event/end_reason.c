/* The table of include/espalier/end_reason.h. */
#include <espalier/end_reason.h>
#include <string.h>

static const struct {
    const char *word, *sentence;
    enum esp_exit code;
} reasons[ESP_END_REASON_COUNT] = {
#define REASON_ROW(name, word, code, sentence)                                                 \
    [ESP_END_##name] = {word, sentence, ESP_EXIT_##code},
    ESP_END_REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *esp_end_reason_name(enum esp_end_reason reason)
{
    return (unsigned)reason < ESP_END_REASON_COUNT ? reasons[reason].word : "?";
}

int esp_end_reason_parse(const char *name)
{
    for (int i = 0; i < ESP_END_REASON_COUNT; i++) {
        if (strcmp(name, reasons[i].word) == 0) {
            return i;
        }
    }
    return -1;
}

enum esp_exit esp_end_reason_exit(enum esp_end_reason reason)
{
    return (unsigned)reason < ESP_END_REASON_COUNT ? reasons[reason].code : ESP_EXIT_FAILURE;
}

const char *esp_end_reason_sentence(enum esp_end_reason reason)
{
    return (unsigned)reason < ESP_END_REASON_COUNT ? reasons[reason].sentence : "";
}
