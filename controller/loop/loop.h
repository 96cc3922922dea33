/* The main loop of the controller. It passes messages, signals and deadlines to the core, and
 * performs an effect only after the events that caused it are on disk:
 *
 *     inputs → core → append events → COMMIT → effects (send, delete, finish)
 *
 * When a commit fails, its effects are dropped and the core is rebuilt from the ledger. The
 * local agent is a child that survives its parent; when it exits unexpectedly, another is
 * started and adopts its processes. The loop returns only after every process has exited. */
#ifndef ESPALIER_LOOP_LOOP_H
#define ESPALIER_LOOP_LOOP_H

#include "session.h"

struct esp_loop_watcher {
    void *context;
    /* Called after every commit with the recorded events, and without events at the time that
     * the last call returned (monotonic ms; INT64_MAX: at no particular time). */
    int64_t (*update)(void *context,
                      const struct esp_core *core,
                      const struct esp_event *events,
                      size_t count,
                      int64_t now_ms);
    /* Prints a line for the user. */
    void (*print)(void *context, const char *text);
};

struct esp_loop_options {
    const char *device;   /* auto, cpu, cuda */
    const char *dir_name; /* DIR as the user wrote it */
    struct esp_loop_watcher watcher;
};

/* Runs the study until the core has finished. Returns an exit code (espalier/exit.h), or a
 * negative errno when the controller itself cannot continue; the study can be resumed then.
 * Until it returns, SIGINT, SIGTERM and SIGHUP are requests to stop. */
int esp_loop_run(struct esp_session *session,
                 const struct esp_loop_options *options,
                 struct esp_error *error);

#endif
