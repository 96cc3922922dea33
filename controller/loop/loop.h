/* The controller: takes what comes from peers, signals and clocks, and keeps the order that
 * nothing leaves before it is on disk.
 *
 *     inputs → core → append events → COMMIT → effects (send, delete, finish)
 *
 * When a commit fails its effects are dropped and the core is built anew from the ledger. The
 * local agent is a child that outlives its parent; when it dies, another is started and adopts
 * its processes. The loop returns only after every process has ended. */
#ifndef ESPALIER_LOOP_LOOP_H
#define ESPALIER_LOOP_LOOP_H

#include "session.h"

struct esp_loop_watcher {
    void *context;
    /* After every commit, and when the time it named last has come: what was recorded (count 0:
     * nothing). Returns when it wants to be called again, in monotonic ms; INT64_MAX: whenever.
     */
    int64_t (*look)(void *context,
                    const struct esp_core *core,
                    const struct esp_event *events,
                    size_t count,
                    int64_t now_ms);
    /* A line for the person at the terminal. */
    void (*say)(void *context, const char *words);
};

struct esp_loop_options {
    const char *device;   /* auto, cpu, cuda */
    const char *dir_name; /* DIR as the person named it */
    struct esp_loop_watcher watcher;
};

/* Runs until the core has finished. Returns the exit code of DESIGN 9, or negative errno when
 * the controller itself cannot go on: the study is resumable then. SIGINT, SIGTERM and SIGHUP
 * are taken as wishes to stop until it returns. */
int esp_loop_run(struct esp_session *session,
                 const struct esp_loop_options *options,
                 struct esp_error *error);

#endif
