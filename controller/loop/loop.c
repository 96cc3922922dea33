#include "loop.h"

#include "../../proto/transport/router.h"
#include "../system/random.h"
#include "loop_private.h"

#include <errno.h>
#include <espalier/clock.h>
#include <espalier/exit.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Descriptors that are polled together with the socket. */
enum { FD_SIGNALS, FD_AGENT, FD_COUNT };

static int receive_messages(struct esp_loop *loop)
{
    struct esp_peer peer;
    struct esp_message message;
    struct esp_error error;
    loop->messages_wait = true;
    while (loop->outcome.event_count < ESP_COMMIT_REPORTS_MAX) {
        error.text[0] = '\0';
        int rc = esp_router_receive(loop->router, &peer, &message, &error);
        if (rc == -EAGAIN) {
            loop->messages_wait = false;
            return 0;
        }
        if (rc < 0) {
            return esp_error_set(&loop->error, rc, "cannot receive messages: %s", error.text);
        }
        if (loop->ledger_failed || loop->finished) {
            continue; /* not acknowledged, so that it is sent again */
        }
        if (rc == 0 && message.kind == ESP_MESSAGE_HELLO && peer.role == ESP_ROLE_AGENT) {
            esp_local_agent_connected(&loop->agent);
        }
        struct esp_input input = {
            .kind = rc == 0 ? ESP_INPUT_MESSAGE : ESP_INPUT_MALFORMED,
            .peer = peer,
            .message = rc == 0 ? &message : NULL,
            .text = rc == 0 ? NULL : error.text,
        };
        rc = esp_loop_step(loop, &input);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static void print_interrupted(struct esp_loop *loop)
{
    char text[ESP_MESSAGE_TEXT_MAX];
    struct esp_core_totals totals = esp_core_totals(loop->session->core);
    const uint32_t *by = totals.by_state;
    uint32_t live = by[ESP_TRIAL_ASSIGNED] + by[ESP_TRIAL_RUNNING] + by[ESP_TRIAL_PAUSING] +
                    by[ESP_TRIAL_STOPPING];
    snprintf(text,
             sizeof text,
             "saving %" PRIu32
             " trial%s; press Ctrl-C again to stop without saving; to resume later: "
             "espalier resume %s",
             live,
             live == 1 ? "" : "s",
             loop->options->dir_name);
    esp_loop_print(loop, text);
}

/* The first signal saves checkpoints and stops; a later SIGINT or SIGTERM stops at once. */
static int read_signals(struct esp_loop *loop)
{
    struct signalfd_siginfo info;
    while (read(loop->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            esp_local_agent_reap(&loop->agent);
            continue;
        }
        if (info.ssi_signo == SIGHUP && loop->interruptions > 0) {
            continue; /* a terminal that closes sends it more than once */
        }
        loop->interruptions++;
        if (loop->finished) {
            continue;
        }
        if (loop->ledger_failed) {
            /* Nothing can be recorded, and therefore nothing saved: the study stays as it is on
             * disk. */
            esp_loop_print(loop, "the record cannot be written: stopping now without saving");
            loop->abandoned = true;
            continue;
        }
        struct esp_input input = {.kind = loop->interruptions == 1 ? ESP_INPUT_INTERRUPT
                                                                   : ESP_INPUT_TERMINATE};
        if (loop->interruptions == 1) {
            print_interrupted(loop);
        } else if (loop->interruptions == 2) {
            esp_loop_print(loop, "stopping now");
        }
        int rc = esp_loop_step(loop, &input);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int64_t next_wait(const struct esp_loop *loop)
{
    int64_t next = loop->update_ms, now = esp_clock_ms();
    if (loop->finished) {
        next = loop->retire_by_ms;
    } else if (loop->ledger_failed) {
        next = loop->retry_ms < next ? loop->retry_ms : next;
    } else {
        int64_t deadline =
            esp_running_clock_due(&loop->clock, esp_core_deadline(loop->session->core));
        next = deadline < next ? deadline : next;
        if (loop->outcome.event_count > 0) {
            int64_t commit = loop->committed_ms + ESP_COMMIT_WAIT_MS;
            next = commit < next ? commit : next;
        }
    }
    int64_t wait = next <= now ? 0 : next - now;
    return wait < ESP_CLOCK_READ_MS ? wait : ESP_CLOCK_READ_MS;
}

/* A TICK comes after the messages that wait, but no later than this after its deadline: a peer
 * that sends without end must not keep the others alive. The router takes messages of all
 * connections in turn, so that by then it has read the oldest ones of each. */
#define TICK_LATE_MS 1000

/* Does what is due at this time. */
static int check_deadlines(struct esp_loop *loop)
{
    int64_t now = esp_clock_ms();
    if (loop->ledger_failed) {
        return now >= loop->retry_ms ? esp_loop_recover(loop) : 0;
    }
    int64_t due = esp_running_clock_due(&loop->clock, esp_core_deadline(loop->session->core));
    bool is_due = due <= now && (!loop->messages_wait || now - due >= TICK_LATE_MS);
    if (!loop->finished && is_due) {
        struct esp_input tick = {.kind = ESP_INPUT_TICK};
        return esp_loop_step(loop, &tick);
    }
    return 0;
}

/* Group commit: a batch is committed when it is full, or ESP_COMMIT_WAIT_MS after the last
 * commit, which may be at once. */
static bool commit_is_due(const struct esp_loop *loop)
{
    if (loop->ledger_failed) {
        return false;
    }
    if (loop->outcome.event_count == 0) {
        return loop->outcome.effect_count > 0;
    }
    return loop->outcome.event_count >= ESP_COMMIT_REPORTS_MAX ||
           esp_clock_ms() - loop->committed_ms >= ESP_COMMIT_WAIT_MS;
}

static int serve(struct esp_loop *loop)
{
    while (!(loop->finished && loop->agent.done) && !loop->abandoned) {
        struct pollfd fds[FD_COUNT] = {
            [FD_SIGNALS] = {.fd = loop->signals, .events = POLLIN},
            [FD_AGENT] = {.fd = loop->agent.pidfd, .events = POLLIN},
        };
        int rc = esp_router_poll(loop->router, fds, FD_COUNT, next_wait(loop));
        esp_running_clock_read(&loop->clock, esp_clock_ms());
        if (rc < 0 && rc != -EINTR) {
            return esp_error_set(
                &loop->error, rc, "cannot wait for messages: %s.", strerror(-rc));
        }
        rc = receive_messages(loop);
        rc = rc == 0 && fds[FD_SIGNALS].revents ? read_signals(loop) : rc;
        if (rc == 0 && fds[FD_AGENT].revents) {
            rc = esp_local_agent_exited(&loop->agent, loop->finished, &loop->error);
        }
        rc = rc == 0 ? check_deadlines(loop) : rc;
        rc = rc == 0 && commit_is_due(loop) ? esp_loop_flush(loop) : rc;
        if (rc < 0) {
            return rc;
        }
        int64_t now = esp_clock_ms();
        if (loop->finished && now >= loop->retire_by_ms) {
            esp_local_agent_kill(&loop->agent);
            loop->retire_by_ms = INT64_MAX;
        }
        if (!loop->finished && now >= loop->update_ms) {
            esp_loop_update(loop, NULL, 0);
        }
    }
    return 0;
}

/* Whether the study had ended and has no new work. Then nothing is recorded, so that running a
 * finished study again does not change its record. But a new reason of its end is recorded. */
static bool stays_ended(const struct esp_loop *loop)
{
    for (size_t i = 0; i < loop->outcome.event_count; i++) {
        if (loop->outcome.events[i].kind == ESP_EVENT_ENDED) {
            return false;
        }
    }
    struct esp_core_totals totals = esp_core_totals(loop->session->core);
    const struct esp_outcome *o = &loop->outcome;
    return totals.state != ESP_STUDY_RUNNING && loop->session->change_count == 0 &&
           o->effect_count == 1 && o->effects[0].kind == ESP_EFFECT_FINISH;
}

static int delete_leftover(void *context, const char *path)
{
    const struct esp_loop *loop = context;
    esp_loop_delete_checkpoint(loop->session->dir, path);
    return 0;
}

/* Deletes files that an earlier controller left when it was killed: those of checkpoints that
 * are recorded as dropped. */
static int delete_leftovers(struct esp_loop *loop)
{
    return esp_store_dropped(loop->session->store, delete_leftover, loop, &loop->error);
}

/* The first inputs: the changes of the study file, then START, which may find that they give a
 * finished study new work. */
static int begin(struct esp_loop *loop)
{
    struct esp_session *session = loop->session;
    int rc = 0;
    if (session->change_count > 0) {
        struct esp_message message = {
            .kind = ESP_MESSAGE_COMMAND,
            .command = {.id = esp_system_random(),
                        .verb = ESP_VERB_SET,
                        .settings = session->changes,
                        .setting_count = session->change_count},
        };
        struct esp_input set = {
            .kind = ESP_INPUT_MESSAGE, .peer = ESP_LOOP_SELF, .message = &message};
        rc = esp_loop_step(loop, &set);
    }
    rc = rc == 0 ? delete_leftovers(loop) : rc;
    rc = rc == 0 ? esp_loop_start(loop) : rc;
    if (rc == 0 && stays_ended(loop)) {
        esp_local_agent_kill_leftover(&loop->agent);
        loop->finished = true;
        loop->exit_code = loop->outcome.effects[0].exit_code;
        return 0;
    }
    rc = rc == 0 ? esp_loop_flush(loop) : rc;
    if (rc == 0 && loop->refused[0]) {
        rc = esp_error_set(&loop->error, -EINVAL, "%s", loop->refused);
    }
    return rc;
}

static int open_signals(struct esp_loop *loop, sigset_t *before)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigaddset(&mask, SIGCHLD);
    sigprocmask(SIG_BLOCK, &mask, before);
    loop->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    return loop->signals < 0 ? -errno : 0;
}

int esp_loop_run(struct esp_session *session,
                 const struct esp_loop_options *options,
                 struct esp_error *error)
{
    sigset_t before;
    struct esp_loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    esp_loop_init(loop, session, options);
    /* Trial processes of an agent that was killed become our children, so that we can reap
     * them. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    /* Before ZeroMQ starts its threads, so that they inherit the signal mask. */
    int rc = open_signals(loop, &before);
    rc = rc < 0 ? rc : esp_endpoint_local(session->dir, loop->endpoint, &loop->error);
    rc = rc < 0 ? rc : esp_loop_listen(loop);
    rc = rc < 0 ? rc : begin(loop);
    if (rc == 0 && !loop->finished) {
        rc = esp_local_agent_start(&loop->agent, &loop->error);
    } else {
        loop->agent.done = true;
    }
    rc = rc < 0 ? rc : serve(loop);
    if (loop->abandoned) {
        esp_local_agent_kill_all(&loop->agent);
    }
    if (rc == 0) {
        /* Abandoned: left by the user while the disk was full. */
        rc = loop->abandoned ? ESP_EXIT_KILLED : loop->exit_code;
    }
    if (error) {
        *error = loop->error;
    }
    esp_router_destroy(loop->router, 100);
    esp_loop_release(loop);
    sigprocmask(SIG_SETMASK, &before, NULL);
    free(loop);
    return rc;
}
