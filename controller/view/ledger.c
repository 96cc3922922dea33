#include "ledger.h"

#include "../agent/agent.h"
#include "../money/price.h"
#include "../study/study.h"
#include "trial_status.h"

#include <espalier/limits.h>
#include <espalier/live_setting.h>
#include <math.h>
#include <string.h>

static int read_changes(struct esp_ledger *ledger, struct esp_error *error)
{
    double run_cap = (double)ledger->study->run_cap;
    ledger->budget = ledger->study->budget;
    double hours = NAN;
    double *const places[ESP_LIVE_COUNT] = {
        [ESP_LIVE_RUN_CAP] = &run_cap,
        [ESP_LIVE_BUDGET_TOKENS] = &ledger->budget.tokens,
        [ESP_LIVE_BUDGET_HOURS] = &hours,
        [ESP_LIVE_BUDGET_USD] = &ledger->budget.usd,
    };
    for (int i = 0; i < ESP_LIVE_COUNT; i++) {
        const char *name = esp_live_settings[i].name;
        int rc = places[i] ? esp_reader_changed(ledger->reader, name, places[i], error) : 0;
        if (rc < 0) {
            return rc;
        }
    }
    if (!isnan(hours)) {
        ledger->budget.seconds = hours * ESP_SECONDS_PER_HOUR;
    }
    ledger->run_cap = (int64_t)run_cap;
    return 0;
}

static int look(struct esp_ledger *ledger, struct esp_error *error)
{
    struct esp_reader_study row;
    int rc = esp_reader_study(ledger->reader, &row, error);
    if (rc < 0) {
        return rc;
    }
    if (!ledger->study) {
        rc = esp_study_read_text(row.source,
                                 row.file && row.file[0] ? row.file : "study",
                                 row.base,
                                 &ledger->study,
                                 NULL,
                                 error);
        if (rc < 0) {
            return rc;
        }
    }
    ledger->maximize = row.maximize;
    ledger->state = row.state;
    ledger->reason = row.reason;
    ledger->alive = row.alive;
    ledger->pid = row.pid;
    /* The agent exits with the last of its processes. */
    struct esp_process_identity agent;
    ledger->orphans = row.state == ESP_STUDY_INTERRUPTED && !row.alive &&
                      esp_agent_holder(ledger->dir, &agent) == 0;
    ledger->remedy = row.remedy;
    return read_changes(ledger, error);
}

int esp_ledger_open(const char *dir, struct esp_ledger *ledger, struct esp_error *error)
{
    *ledger = (struct esp_ledger){.dir = dir};
    int rc = esp_reader_open(dir, &ledger->reader, error);
    if (rc == 0) {
        rc = look(ledger, error);
    }
    if (rc < 0) {
        esp_ledger_close(ledger);
    }
    return rc;
}

int esp_ledger_refresh(struct esp_ledger *ledger, struct esp_error *error)
{
    return look(ledger, error);
}

void esp_ledger_close(struct esp_ledger *ledger)
{
    esp_reader_close(ledger->reader);
    esp_study_destroy(ledger->study);
    *ledger = (struct esp_ledger){0};
}

void esp_ledger_remedy(const struct esp_ledger *ledger, struct esp_buffer *out)
{
    if (ledger->orphans) {
        esp_buffer_addf(
            out,
            "its controller has ended; its processes continue to train for up to %d s, "
            "and espalier resume %s takes them over",
            ESP_LEASE_MS / 1000,
            ledger->dir);
    } else {
        esp_buffer_addf(out, "continue it with: espalier resume %s", ledger->dir);
    }
}

const char *esp_ledger_trial_state(const struct esp_ledger *ledger, enum esp_trial_state state)
{
    bool interrupted = !ledger->alive && esp_trial_status_of(state) == ESP_TRIAL_STATUS_RUNNING;
    return interrupted ? esp_study_state_name(ESP_STUDY_INTERRUPTED)
                       : esp_trial_state_words(state);
}
