/* Drives a core with scripted inputs and keeps its events and effects.
 *
 * The events of every step are also folded into a second core, whose digest must equal that of
 * the live one: in every test that uses the driver, live state equals replayed state. */
#ifndef TESTS_UNIT_CORE_DRIVER_H
#define TESTS_UNIT_CORE_DRIVER_H

#include "core/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NONCE 42
#define AGENT 7

struct driver {
    struct esp_study study;
    struct esp_core_options options;
    struct esp_core *core, *shadow;
    struct esp_outcome outcome; /* of the last input */
    int64_t now;
    struct esp_event *log; /* every event, strings owned */
    size_t logged, log_capacity;
    uint64_t sequence[64]; /* last sequence that the attempt of trial i has used */
    double pace;           /* device seconds per step */
};

/* One searched learning rate, random search, batch 4 × context 10, horizon 4000 tokens = 100
 * steps. */
void driver_study(struct esp_study *study, int64_t run_cap);
void driver_begin(struct driver *d, const struct esp_study *study);
void driver_end(struct driver *d);
/* A new core from the log, as after a crash of the controller. It is not started. */
void driver_reload(struct driver *d);

void driver_input(struct driver *d, enum esp_input_kind kind);
void driver_calibrate(struct driver *d, const double *scores, uint32_t count);
void driver_message(struct driver *d, struct esp_peer peer, const struct esp_message *message);
/* Lets time pass, with a TICK at each deadline of the core. */
void driver_wait(struct driver *d, int64_t ms);

/* START, an agent with these slots, and Hello of every process that it is asked to spawn. */
void driver_open(struct driver *d, uint32_t slots);
void driver_agent(struct driver *d, uint32_t slots, const uint64_t *keys, uint32_t count);
void driver_hello(struct driver *d, uint64_t key, struct esp_held *held, uint32_t count);
/* Hello of every process that the last input asked to spawn. */
void driver_greet(struct driver *d);

/* Messages of the process of a trial's live attempt, with the next sequence. */
void driver_started(struct driver *d, uint32_t trial, int64_t tokens);
void driver_report(struct driver *d, uint32_t trial, int64_t step, double value, bool waiting);
void driver_saved(struct driver *d, uint32_t trial, int64_t step);
void driver_failed(struct driver *d, uint32_t trial, int32_t code, bool save);
void driver_released(struct driver *d, uint32_t trial);
void driver_fence_answered(struct driver *d, uint32_t trial);
void driver_exited(struct driver *d, uint64_t key, int32_t status, int32_t signal);
void driver_command(struct driver *d, uint64_t id, enum esp_command_verb verb, uint32_t trial);

/* Of the last input: messages sent, the first one of a kind, the first effect, events. */
size_t driver_sent(const struct driver *d, enum esp_message_kind kind);
const struct esp_message *driver_find(const struct driver *d, enum esp_message_kind kind);
const struct esp_effect *driver_effect(const struct driver *d, enum esp_effect_kind kind);
size_t driver_recorded(const struct driver *d, enum esp_event_kind kind);
/* Events in the whole log. */
size_t driver_logged(const struct driver *d, enum esp_event_kind kind);

struct esp_trial_view driver_trial(const struct driver *d, uint32_t trial);
void driver_expect(const struct driver *d, uint32_t trial, enum esp_trial_state state);

#endif
