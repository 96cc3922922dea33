/* Messages of a running search on stderr: a line per important event, and on a terminal a
 * status line that is redrawn. */
#ifndef ESPALIER_CLI_PROGRESS_H
#define ESPALIER_CLI_PROGRESS_H

#include "../core/core.h"
#include "../view/buffer.h"

struct esp_progress {
    const struct esp_study *study;
    const char *dir; /* as given on the command line */
    bool terminal, utf8;
    int64_t started_ms, drawn_ms;
    uint32_t done_at_start; /* trials that had ended when this run began */
    bool first;
    bool shown; /* the status line is on the terminal */
    struct esp_buffer line;
};

void esp_progress_init(struct esp_progress *progress,
                       const struct esp_study *study,
                       const char *dir);
void esp_progress_release(struct esp_progress *progress);

/* For esp_loop_watcher; the context is the struct esp_progress. */
int64_t esp_progress_update(void *context,
                            const struct esp_core *core,
                            const struct esp_event *events,
                            size_t count,
                            int64_t now_ms);
void esp_progress_print(void *context, const char *words);

/* Removes the status line, before something else is printed. */
void esp_progress_clear(struct esp_progress *progress);

#endif
