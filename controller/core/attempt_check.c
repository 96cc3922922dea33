/* The checks of a trial process's messages about an attempt. A message that fails one is
 * recorded as a protocol fault and has no other effect. */
#include "attempt_check.h"

#include <string.h>

/* Steps and tokens beyond what a double counts exactly are refused. */
#define COUNT_MAX ((int64_t)1 << 53)

/* DROP may later delete the path: it must be below DIR and never lead out of it. */
static bool path_is_inside(const char *path)
{
    if (!path || path[0] == '/' || path[0] == '\0' || strlen(path) >= ESP_PATH_MAX) {
        return false;
    }
    for (const char *part = path; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0')) {
            return false;
        }
    }
    return true;
}

static bool is_count(int64_t number)
{
    return number >= 0 && number <= COUNT_MAX;
}

static const char *report_fault(const struct esp_trial *t, const struct esp_report *r)
{
    int64_t tokens = t->reached_tokens, step = -1;
    if (r->point_count > ESP_REPORT_POINTS_MAX) {
        return "a report has too many points";
    }
    for (uint32_t i = 0; i < r->point_count; i++) {
        const struct esp_point *p = &r->points[i];
        if (!is_count(p->step) || !is_count(p->tokens)) {
            return "a report's step or tokens are out of range";
        }
        if (p->tokens < tokens || p->step <= step) {
            return "a report goes backwards";
        }
        if (!(p->device_seconds >= 0 && p->device_seconds <= 0x1p53)) {
            return "a report's device seconds are out of range";
        }
        if (p->measure_count > ESP_MEASURES_MAX) {
            return "a report's point has too many measures";
        }
        for (uint32_t k = 0; k < p->measure_count; k++) {
            const char *name = p->measures[k].name;
            if (!name || !name[0] || strlen(name) >= ESP_NAME_MAX) {
                return "a measure's name is empty or too long";
            }
        }
        tokens = p->tokens;
        step = p->step;
    }
    return NULL;
}

static const char *saved_fault(const struct esp_saved *s)
{
    if (!path_is_inside(s->path)) {
        return "a checkpoint's path leaves the study's folder";
    }
    if (s->host && strlen(s->host) >= ESP_NAME_MAX) {
        return "a checkpoint's host is too long";
    }
    if (!(s->device_seconds >= 0 && s->device_seconds <= 0x1p53)) {
        return "a checkpoint's device seconds are out of range";
    }
    return is_count(s->tokens) && is_count(s->step)
               ? NULL
               : "a checkpoint's step or tokens are out of range";
}

const char *esp_attempt_fault(const struct esp_trial *t, const struct esp_message *m)
{
    switch (m->kind) {
    case ESP_MESSAGE_STARTED:
        return is_count(m->started.tokens) ? NULL : "Started at tokens out of range";
    case ESP_MESSAGE_REPORT:
        return report_fault(t, &m->report);
    case ESP_MESSAGE_SAVED:
        return saved_fault(&m->saved);
    case ESP_MESSAGE_FAILED:
    case ESP_MESSAGE_RELEASED:
        return NULL; /* every value is possible */
    default:
        return "not a message about an attempt";
    }
}
