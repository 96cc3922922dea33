#include "ending.h"

/* Trials that are named; the others are counted. */
#define HELD_NAMED 20

const char *esp_ending_words(const struct esp_ledger *ledger)
{
    bool recorded = ledger->reason != ESP_END_NONE && ledger->reason != ESP_END_INTERRUPTED;
    return recorded ? esp_end_reason_sentence(ledger->reason) : NULL;
}

void esp_ending_json(const struct esp_ledger *ledger, struct esp_buffer *out)
{
    if (ledger->reason == ESP_END_NONE) {
        esp_buffer_add(out, "null");
    } else {
        esp_buffer_addf(out, "\"%s\"", esp_end_reason_name(ledger->reason));
    }
}

/* The trials that the user paused, as "#3, #7" and as "3 7". */
struct held {
    struct esp_buffer names, operands;
    int64_t count;
};

static int add_held(void *context, const struct esp_reader_trial *trial)
{
    struct held *held = context;
    if (held->count++ < HELD_NAMED) {
        const char *separator = held->count > 1 ? ", " : "";
        esp_buffer_addf(&held->names, "%s#%lld", separator, (long long)trial->trial);
        esp_buffer_addf(&held->operands, " %lld", (long long)trial->trial);
    }
    return 0;
}

int esp_ending_held(struct esp_ledger *ledger, struct esp_buffer *out, struct esp_error *error)
{
    struct held held = {0};
    int rc = esp_reader_held(ledger->reader, add_held, &held, error);
    if (rc == 0 && held.count > 0) {
        esp_buffer_addf(out, "paused by you: %s", esp_buffer_get(&held.names));
        if (held.count > HELD_NAMED) {
            esp_buffer_addf(out, " and %lld more", (long long)held.count - HELD_NAMED);
        }
        esp_buffer_addf(out,
                        "; continue with: espalier continue %s%s",
                        ledger->dir,
                        esp_buffer_get(&held.operands));
        if (!ledger->alive) {
            esp_buffer_addf(out, ", then espalier resume %s", ledger->dir);
        }
        esp_buffer_add(out, "\n");
    }
    esp_buffer_release(&held.names);
    esp_buffer_release(&held.operands);
    return rc;
}
