#include "spent.h"

#include "../money/price.h"
#include "human.h"

#include <math.h>

struct esp_spent esp_spent_of(const struct esp_ledger *ledger,
                              const struct esp_reader_totals *totals)
{
    return (struct esp_spent){
        .tokens = totals->spent_tokens,
        .device_seconds = totals->device_seconds,
        .usd = esp_price_usd(&ledger->study->budget, totals->device_seconds),
        .full_tokens = totals->full_cost_tokens,
        .trials = totals->trials,
        .final = ledger->state == ESP_STUDY_COMPLETE,
    };
}

void esp_spent_text(const struct esp_spent *spent, struct esp_buffer *out)
{
    esp_buffer_add(out, "cost: ");
    esp_human_count(out, (double)spent->tokens);
    esp_buffer_add(out, " tokens, ");
    esp_human_seconds(out, spent->device_seconds);
    esp_buffer_add(out, " of device time");
    if (!isnan(spent->usd)) {
        esp_buffer_addf(out, ", $%.2f", spent->usd);
    }
    esp_buffer_add(out, "\n");
    if (spent->full_tokens > 0 && spent->tokens > 0) {
        double share = (double)spent->tokens / (double)spent->full_tokens;
        esp_buffer_addf(out,
                        "%s %.0f %% of the ",
                        spent->final ? "saved:" : "spent so far",
                        100 * (spent->final ? 1 - share : share));
        esp_human_count(out, (double)spent->full_tokens);
        esp_buffer_addf(out,
                        " tokens that all %lld trials would have used to their horizon\n",
                        (long long)spent->trials);
    }
}
