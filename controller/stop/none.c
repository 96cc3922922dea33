/* Trains every trial to its horizon. */
#include "roster.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int create(const struct esp_study *study, void **self, struct esp_error *error)
{
    (void)study;
    struct esp_roster *roster = malloc(sizeof *roster);
    if (!roster) {
        return esp_error_set(error, -ENOMEM, "out of memory");
    }
    esp_roster_init(roster);
    *self = roster;
    return 0;
}

static void destroy(void *self)
{
    esp_roster_release(self);
    free(self);
}

static void created(void *self, uint32_t trial, int64_t horizon, const double *values)
{
    (void)values;
    esp_roster_created(self, trial, horizon);
}

static void
observed(void *self, uint32_t trial, int64_t tokens, double loss, double device_seconds)
{
    esp_roster_observed(self, trial, tokens, loss, device_seconds);
}

static void decided(void *self, const struct esp_verdict *verdict)
{
    esp_roster_decided(self, verdict);
}

static void paused(void *self, uint32_t trial, bool held)
{
    esp_roster_paused(self, trial, held);
}

static void ended(void *self, uint32_t trial, enum esp_cause cause)
{
    esp_roster_ended(self, trial, cause);
}

static void returned(void *self, uint32_t trial)
{
    esp_roster_returned(self, trial);
}

static struct esp_verdict slot(const void *self, const struct esp_slot_view *view)
{
    return esp_roster_slot_to_horizon(self, view);
}

static struct esp_verdict
report(const void *self, uint32_t trial, bool waiting, const struct esp_slot_view *view)
{
    (void)view;
    return esp_roster_report_to_horizon(self, trial, waiting);
}

const struct esp_scheduler_ops esp_scheduler_none = {
    .create = create,
    .destroy = destroy,
    .created = created,
    .observed = observed,
    .decided = decided,
    .paused = paused,
    .ended = ended,
    .returned = returned,
    .slot = slot,
    .report = report,
};
