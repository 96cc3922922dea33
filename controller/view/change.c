#include "change.h"

#include "human.h"

#include <string.h>

/* The state with the two that status words do not tell from "running". */
static void add_state(const struct esp_ledger *ledger,
                      const struct esp_reader_trial *trial,
                      struct esp_buffer *out)
{
    esp_buffer_add(out,
                   trial->state == ESP_TRIAL_PAUSING ? "pausing"
                   : trial->state == ESP_TRIAL_STOPPING
                       ? "stopping"
                       : esp_ledger_trial_state(ledger, trial->state));
    esp_buffer_add(out, trial->held ? " (held)" : "");
}

void esp_change_words(const struct esp_ledger *ledger,
                      const struct esp_reader_trial *before,
                      const struct esp_reader_trial *after,
                      struct esp_buffer *out)
{
    struct esp_buffer old = {0}, new = {0};
    add_state(ledger, after, &new);
    if (before) {
        add_state(ledger, before, &old);
    }
    bool same = strcmp(esp_buffer_get(&old), esp_buffer_get(&new)) == 0;
    esp_buffer_addf(out, "#%lld ", (long long)after->trial);
    if (before && !same) {
        esp_buffer_addf(out, "%s → %s", esp_buffer_get(&old), esp_buffer_get(&new));
    } else {
        esp_buffer_addf(out, "is %s%s", esp_buffer_get(&new), same ? " already" : "");
    }
    if (after->until > 0 && after->state == ESP_TRIAL_QUEUED) {
        esp_buffer_add(out, ", trains until ");
        esp_human_count(out, (double)after->until);
        esp_buffer_add(out, " tokens");
    }
    out->failed |= old.failed || new.failed;
    esp_buffer_release(&old);
    esp_buffer_release(&new);
}
