#include "progress.h"

#include "../money/price.h"
#include "../system/terminal.h"
#include "../view/human.h"
#include "../view/trial_status.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Least and greatest time between two drawings of the status line. */
#define REDRAW_MS 100
#define REFRESH_MS 1000
/* Trials that must have ended in this run before a remaining time is shown. */
#define ETA_TRIALS_MIN 3

void esp_progress_init(struct esp_progress *progress,
                       const struct esp_study *study,
                       const char *dir)
{
    *progress = (struct esp_progress){
        .study = study,
        .dir = dir,
        .terminal = esp_terminal_is(stderr),
        .utf8 = esp_terminal_utf8(),
        .first = true,
    };
}

void esp_progress_release(struct esp_progress *progress)
{
    esp_buffer_release(&progress->line);
}

void esp_progress_clear(struct esp_progress *progress)
{
    if (progress->shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        progress->shown = false;
    }
}

void esp_progress_print(void *context, const char *words)
{
    struct esp_progress *progress = context;
    esp_progress_clear(progress);
    fprintf(stderr, "espalier: %s\n", words);
    fflush(stderr);
}

static uint32_t count_of(const struct esp_core_totals *totals, enum esp_trial_status status)
{
    uint32_t count = 0;
    for (int state = 0; state < ESP_TRIAL_STATE_COUNT; state++) {
        if (esp_trial_status_of((enum esp_trial_state)state) == status) {
            count += totals->by_state[state];
        }
    }
    return count;
}

/* Trials that have ended, or wait at a rung. */
static uint32_t done_of(const struct esp_core_totals *totals)
{
    return count_of(totals, ESP_TRIAL_STATUS_PAUSED) +
           count_of(totals, ESP_TRIAL_STATUS_COMPLETE) +
           count_of(totals, ESP_TRIAL_STATUS_PRUNED) +
           count_of(totals, ESP_TRIAL_STATUS_STOPPED) +
           count_of(totals, ESP_TRIAL_STATUS_FAILED);
}

/* Appends "12/40 · 3 running · best 3.21 (#7) · $0.12 · ETA 2 min 5 s". */
static void append_line(const struct esp_progress *progress,
                        const struct esp_core_totals *totals,
                        int64_t now_ms,
                        struct esp_buffer *out)
{
    const char *dot = progress->utf8 ? " · " : " | ";
    uint32_t done = done_of(totals);
    if (totals->run_cap > 0) {
        esp_buffer_addf(out, "%" PRIu32 "/%" PRId64, done, totals->run_cap);
    } else {
        esp_buffer_addf(out, "%" PRIu32 " done", done);
    }
    esp_buffer_addf(
        out, "%s%" PRIu32 " running", dot, count_of(totals, ESP_TRIAL_STATUS_RUNNING));
    if (totals->best_trial >= 0) {
        esp_buffer_addf(
            out, "%sbest %.4g (#%" PRId64 ")", dot, totals->best_value, totals->best_trial);
    }
    double usd = esp_price_usd(&progress->study->budget, totals->device_seconds);
    if (!isnan(usd)) {
        esp_buffer_addf(out, "%s$%.2f", dot, usd);
        if (totals->budget.usd > 0) {
            esp_buffer_addf(out, "/%.6g", totals->budget.usd);
        }
    }
    uint32_t fresh = done > progress->done_at_start ? done - progress->done_at_start : 0;
    if (totals->run_cap > done && fresh >= ETA_TRIALS_MIN) {
        double rate = (double)fresh / (double)(now_ms - progress->started_ms + 1);
        esp_buffer_addf(out, "%sETA ", dot);
        esp_human_seconds(out, (double)(totals->run_cap - done) / rate / 1000);
    }
}

static void print_exit(struct esp_progress *progress, const struct esp_event *event)
{
    char words[ESP_MESSAGE_TEXT_MAX];
    const char *tail = event->exited.tail ? event->exited.tail : "", *last = tail;
    for (const char *p = tail; *p; p++) {
        last = *p == '\n' && p[1] ? p + 1 : last;
    }
    snprintf(words,
             sizeof words,
             "a trial process failed (%s %d)%s%.*s. Its log: %.1000s/logs/%" PRIu64 ".log",
             event->exited.signal ? "signal" : "exit status",
             event->exited.signal ? event->exited.signal : event->exited.status,
             *last ? ", last line: " : "",
             (int)strcspn(last, "\n"),
             last,
             progress->dir,
             event->exited.process);
    esp_progress_print(progress, words);
}

/* Prints a line for an important event, and nothing for the others. */
static void print_event(struct esp_progress *progress,
                        const struct esp_core *core,
                        const struct esp_event *event)
{
    char words[ESP_MESSAGE_TEXT_MAX];
    if (event->kind == ESP_EVENT_EXITED && !event->exited.asked &&
        (event->exited.status > 0 || event->exited.signal)) {
        print_exit(progress, event);
        return;
    }
    if (event->kind != ESP_EVENT_MOVED) {
        return;
    }
    struct esp_trial_view view = esp_core_trial(core, (uint32_t)event->trial);
    if (event->moved.to == ESP_TRIAL_COMPLETE) {
        snprintf(words,
                 sizeof words,
                 "#%" PRId64 " complete: %s %.5g",
                 event->trial,
                 progress->study->metric,
                 view.value);
    } else if (event->moved.to == ESP_TRIAL_FAILED) {
        snprintf(words,
                 sizeof words,
                 "#%" PRId64 " failed; `espalier show %s %" PRId64 "` shows why",
                 event->trial,
                 progress->dir,
                 event->trial);
    } else if (event->moved.trigger == ESP_TRIGGER_DIVERGED) {
        snprintf(words, sizeof words, "#%" PRId64 " diverged and was stopped", event->trial);
    } else {
        return;
    }
    esp_progress_print(progress, words);
}

int64_t esp_progress_update(void *context,
                            const struct esp_core *core,
                            const struct esp_event *events,
                            size_t count,
                            int64_t now_ms)
{
    struct esp_progress *progress = context;
    struct esp_core_totals totals = esp_core_totals(core);
    if (progress->first) {
        progress->first = false;
        progress->started_ms = now_ms;
        progress->done_at_start = done_of(&totals);
    }
    for (size_t i = 0; i < count; i++) {
        print_event(progress, core, &events[i]);
    }
    if (!progress->terminal) {
        return INT64_MAX;
    }
    if (progress->shown && now_ms - progress->drawn_ms < REDRAW_MS) {
        return progress->drawn_ms + REDRAW_MS;
    }
    esp_buffer_clear(&progress->line);
    append_line(progress, &totals, now_ms, &progress->line);
    int width = esp_terminal_width(stderr);
    if (esp_human_width(esp_buffer_get(&progress->line)) < width) {
        fprintf(stderr, "\r%s\033[K", esp_buffer_get(&progress->line));
        fflush(stderr);
        progress->shown = true;
    }
    progress->drawn_ms = now_ms;
    return now_ms + REFRESH_MS;
}
