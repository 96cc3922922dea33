#include "serve.h"

#include "members.h"
#include "notify.h"
#include "resume.h"

#include <errno.h>
#include <espalier/clock.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Time to wait for the acknowledgement of the last messages; shorter than the agent's grace
 * period. */
#define FLUSH_MS 5000

struct server {
    struct esp_notifier notifier;
    struct esp_client *client;
    struct esp_members members;
    uint64_t pieces; /* of work done, sent in heartbeats */
    bool leaving;
    int rc;
    struct esp_error *error;
};

/* Makes the settings of a trial: the study's trainer, the trial's parameters, and the seed that
 * the controller assigned, which differs from that of the settings in a repeat of a trial. */
static int
make_settings(const struct esp_assign *assign, struct esp_trainer *out, struct esp_error *error)
{
    if (!assign->trainer) {
        return esp_error_set(
            error,
            -ENOTSUP,
            "this process trains the built-in transformer, but the trial needs "
            "a program");
    }
    *out = *assign->trainer;
    for (uint32_t i = 0; i < assign->param_count; i++) {
        const struct esp_setting *p = &assign->params[i];
        int rc = esp_trainer_set(out, p->name, &p->value, error);
        if (rc < 0) {
            return rc;
        }
    }
    out->seed = (int64_t)(assign->seed & ESP_SEED_MAX);
    if (assign->horizon > 0) {
        out->tokens = assign->horizon;
    }
    return esp_trainer_validate(out, error);
}

static void send_capacity(struct server *s, const struct esp_group *group, uint64_t key)
{
    struct esp_capacity capacity = {.group = key,
                                    .members = group ? (uint32_t)esp_group_slots(group) : 1};
    esp_client_set_capacity(s->client, &capacity);
}

static void carry_out(struct server *s, struct esp_member *m, const struct esp_directive *d);

static void begin(struct server *s, const struct esp_assign *assign)
{
    struct esp_trainer trainer;
    struct esp_group *group = NULL;
    struct esp_error error = {""};
    char fell_back[ESP_MESSAGE_TEXT_MAX] = "";
    int slot = -1;
    int rc = make_settings(assign, &trainer, &error);
    if (rc == 0) {
        rc = esp_members_place(&s->members, &trainer, &group, &slot, &error);
    }
    if (rc == 0) {
        send_capacity(s, group, esp_trainer_group(&trainer));
        rc = esp_resume_join(group, slot, &trainer, s->notifier.dir, assign, fell_back, &error);
    }
    if (rc < 0) {
        esp_notify_failed(&s->notifier, assign->trial, assign->attempt, rc, false, error.text);
        esp_notify_released(&s->notifier, assign->trial, assign->attempt);
        return;
    }
    struct esp_member *m =
        esp_members_add(&s->members, assign->trial, assign->attempt, group, slot);
    m->saved_at_ms = esp_clock_ms();
    fprintf(stderr,
            "espalier-trial: trial %" PRIu32 ", attempt %" PRIu32 ": from %" PRId64
            " of %" PRId64 " tokens%s%s\n",
            m->trial,
            m->attempt,
            esp_group_point(group, slot).tokens,
            esp_group_horizon(group, slot),
            fell_back[0] ? ": " : "",
            fell_back);
    esp_notify_started(&s->notifier, m, fell_back);
    carry_out(s, m, &assign->directive);
}

static void release_member(struct server *s, struct esp_member *m)
{
    uint32_t trial = m->trial, attempt = m->attempt;
    esp_members_leave(m);
    esp_notify_released(&s->notifier, trial, attempt);
}

static void
handle_progress(struct server *s, struct esp_group *group, struct esp_group_event *e);

/* Waits for the updates that a group has queued on its device and reports their results, so
 * that what follows applies to the current state of the members. A failed device ends the
 * process. */
static void finish_updates(struct server *s, struct esp_group *group)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count = 0;
    int rc = esp_group_collect(group, events, &count, s->error);
    if (rc < 0) {
        s->leaving = true;
        s->rc = rc;
    }
    for (int i = 0; i < count; i++) {
        handle_progress(s, group, &events[i]);
    }
}

static void carry_out(struct server *s, struct esp_member *m, const struct esp_directive *d)
{
    m->directive = d->number;
    if (d->action != ESP_DIRECT_CONTINUE) {
        finish_updates(s, m->group);
    }
    if (s->rc < 0) {
        return;
    }
    switch (d->action) {
    case ESP_DIRECT_CONTINUE:
        esp_group_until(m->group, m->slot, d->until);
        break;
    case ESP_DIRECT_SAVE:
        esp_notify_save(&s->notifier, m);
        break;
    case ESP_DIRECT_PAUSE:
        if (esp_notify_save(&s->notifier, m)) {
            release_member(s, m);
        }
        break;
    case ESP_DIRECT_STOP:
        if (d->keep && m->saved_step != esp_group_point(m->group, m->slot).step) {
            esp_notify_save(&s->notifier, m);
        }
        release_member(s, m);
        break;
    }
}

static void handle_event(struct server *s, const struct esp_client_event *event)
{
    struct esp_member *m = esp_members_find(&s->members, event->trial, event->attempt);
    switch (event->kind) {
    case ESP_CLIENT_ASSIGNED:
        begin(s, event->assign);
        break;
    case ESP_CLIENT_DIRECTED:
        if (m && event->directive.number > m->directive) {
            carry_out(s, m, &event->directive);
        }
        break;
    case ESP_CLIENT_FENCED:
        fprintf(stderr,
                "espalier-trial: trial %" PRIu32 ", attempt %" PRIu32 ": fenced\n",
                event->trial,
                event->attempt);
        if (m) {
            esp_members_leave(m);
        }
        esp_notify_released(&s->notifier, event->trial, event->attempt);
        break;
    case ESP_CLIENT_REFUSED:
        s->leaving = true;
        s->rc = esp_error_set(
            s->error, -EPERM, "the controller refused this process: %s", event->reason);
        break;
    case ESP_CLIENT_LAPSED:
        fputs("espalier-trial: no message from the controller for a lease: exiting\n", stderr);
        s->leaving = true;
        break;
    default:
        break;
    }
}

static void handle_events(struct server *s)
{
    struct esp_client_event event;
    for (esp_client_next(s->client, &event); event.kind != ESP_CLIENT_NONE && !s->leaving;
         esp_client_next(s->client, &event)) {
        handle_event(s, &event);
    }
}

static void
handle_progress(struct server *s, struct esp_group *group, struct esp_group_event *e)
{
    struct esp_member *m = esp_members_in_slot(&s->members, group, e->slot);
    bool waiting = e->what & (ESP_GROUP_UNTIL | ESP_GROUP_HORIZON | ESP_GROUP_NOT_FINITE);
    if (!m) {
        return;
    }
    esp_notify_report(&s->notifier, m, e, waiting);
    double interval_ms = esp_group_trainer(m->group, m->slot)->checkpoint_seconds * 1000;
    if (!waiting && (double)(esp_clock_ms() - m->saved_at_ms) > interval_ms) {
        esp_notify_save(&s->notifier, m);
    }
}

/* Does one piece of work of every group. */
static int train(struct server *s)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        struct esp_group *group = s->members.groups[i];
        int count = 0;
        if (!group || esp_group_active(group) == 0) {
            continue;
        }
        int rc = esp_group_step(group, events, &count, s->error);
        if (rc < 0) {
            return rc;
        }
        for (int e = 0; e < count; e++) {
            handle_progress(s, group, &events[e]);
        }
        esp_client_set_progress(s->client, ++s->pieces);
    }
    return 0;
}

static void save_all(struct server *s)
{
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        if (s->members.groups[i]) {
            finish_updates(s, s->members.groups[i]);
        }
    }
    for (int i = 0; i < ESP_MEMBERS_MAX; i++) {
        struct esp_member *m = &s->members.items[i];
        if (m->used && esp_notify_save(&s->notifier, m)) {
            release_member(s, m);
        }
    }
    if (esp_client_flush(s->client, FLUSH_MS) < 0) {
        fputs("espalier-trial: the last messages were not acknowledged\n", stderr);
    }
}

static int serve(struct server *s, int leave_fd)
{
    struct pollfd fds[] = {{.fd = esp_client_fd(s->client), .events = POLLIN},
                           {.fd = leave_fd, .events = POLLIN}};
    while (!s->leaving) {
        bool busy = esp_members_active(&s->members) && esp_client_has_room(s->client);
        if (poll(fds, 2, busy ? 0 : -1) < 0 && errno != EINTR) {
            return esp_error_set(s->error, -errno, "poll: %s", strerror(errno));
        }
        if (fds[1].revents) {
            fputs("espalier-trial: stopping on a signal\n", stderr);
            s->leaving = true;
        } else if (fds[0].revents) {
            handle_events(s);
        } else if (busy) {
            int rc = train(s);
            if (rc < 0) {
                return rc;
            }
        }
    }
    if (s->rc == 0) {
        save_all(s);
    }
    return s->rc;
}

int esp_serve(const struct esp_serve_options *options,
              const struct esp_kernels *kernels,
              struct esp_error *error)
{
    struct server s = {.error = error, .members = {.kernels = kernels}};
    struct esp_client_options client = {.endpoint = options->endpoint,
                                        .key = options->key,
                                        .study = options->study,
                                        .device = options->device};
    s.notifier.dir = options->dir;
    if (gethostname(s.notifier.host, sizeof s.notifier.host - 1) < 0) {
        strcpy(s.notifier.host, "?");
    }
    int rc = esp_client_create(&client, &s.client, error);
    if (rc == 0) {
        s.notifier.client = s.client;
        send_capacity(&s, NULL, 0);
        rc = serve(&s, options->leave_fd);
    }
    esp_members_release(&s.members);
    esp_client_destroy(s.client);
    return rc;
}
