/* A trial process that trains nothing: it is started as `espalier-trial serve` by the agent,
 * uses the real client, and computes its curve from a formula. bench.py runs it in place of
 * espalier-trial.
 *
 *   ESPALIER_LOAD_RATE    reports per second; each waits for its acknowledgement and is timed.
 *                         0 (the default): as many as the client accepts, without waiting
 *   ESPALIER_LOAD_OUT     folder for the times: one file per process, one time in microseconds
 * per line ESPALIER_LOAD_CRASH   the step at which the process kills itself
 *
 * It sends a report for each step. It cannot save, so that it answers a pause or stop with
 * Released at once. */
#include "../../../trial/client/client.h"

#include <errno.h>
#include <espalier/clock.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TIMES_MAX (1 << 20)
#define FLUSH_MS 60000

struct load {
    struct esp_client *client;
    bool training, waiting;
    uint32_t trial, attempt, directive;
    int64_t step, steps, step_tokens, until, crash_step;
    double floor;
    double rate; /* reports per second; 0: unlimited */
    int64_t due_us;
    uint32_t *times_us;
    size_t times;
};

static int64_t now_us(void)
{
    return esp_clock_ns() / 1000;
}

static const char *argument(int argc, char **argv, const char *name)
{
    for (int i = 2; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], name) == 0) {
            return argv[i + 1];
        }
    }
    fprintf(stderr, "loadgen: %s is missing\n", name);
    exit(2);
}

static double setting(const char *name)
{
    const char *text = getenv(name);
    return text ? strtod(text, NULL) : 0;
}

static void send(struct load *l, struct esp_message *message)
{
    struct esp_error error;
    int rc = esp_client_send(l->client, message, &error);
    if (rc < 0 && rc != -ESTALE) {
        fprintf(stderr, "loadgen: %s\n", error.text);
    }
}

static void release(struct load *l)
{
    struct esp_message m = {.kind = ESP_MESSAGE_RELEASED};
    m.released.at = (struct esp_attempt_key){.trial = l->trial, .attempt = l->attempt};
    l->training = false;
    send(l, &m);
}

static void report(struct load *l)
{
    double share = (double)l->step / (double)l->steps;
    double loss = l->floor + 3 * exp(-5 * share);
    struct esp_point point = {.step = l->step,
                              .tokens = l->step * l->step_tokens,
                              .device_seconds = 1e-3 * (double)l->step,
                              .value = loss,
                              .train_loss = loss};
    struct esp_message m = {.kind = ESP_MESSAGE_REPORT};
    l->waiting = l->step >= l->steps || l->step * l->step_tokens >= l->until;
    m.report = (struct esp_report){.at = {.trial = l->trial, .attempt = l->attempt},
                                   .points = &point,
                                   .point_count = 1,
                                   .waiting = l->waiting,
                                   .directive = l->directive};
    int64_t begin = now_us();
    send(l, &m);
    if (l->rate > 0 && esp_client_flush(l->client, FLUSH_MS) == 0 && l->times < TIMES_MAX) {
        l->times_us[l->times++] = (uint32_t)(now_us() - begin);
    }
}

static void begin(struct load *l, const struct esp_client_event *event)
{
    struct esp_trainer trainer = *event->assign->trainer;
    struct esp_message m = {.kind = ESP_MESSAGE_STARTED};
    for (uint32_t i = 0; i < event->assign->param_count; i++) {
        const struct esp_setting *p = &event->assign->params[i];
        esp_trainer_set(&trainer, p->name, &p->value, NULL);
    }
    double octaves = log2(trainer.learning_rate / 1e-3);
    l->trial = event->trial;
    l->attempt = event->attempt;
    l->directive = event->directive.number;
    l->until = event->directive.until;
    l->floor = 1.5 + 0.05 * octaves * octaves;
    l->steps = esp_trainer_steps(&trainer);
    l->step_tokens = trainer.batch_size * trainer.context;
    l->step = 0;
    l->training = true;
    m.started = (struct esp_started){.at = {.trial = l->trial, .attempt = l->attempt},
                                     .horizon = esp_trainer_horizon_tokens(&trainer)};
    send(l, &m);
    l->due_us = now_us();
    report(l);
}

static bool is_mine(const struct load *l, const struct esp_client_event *event)
{
    return l->training && event->trial == l->trial && event->attempt == l->attempt;
}

/* Returns false when the process must exit. */
static bool take_events(struct load *l)
{
    struct esp_client_event event;
    for (esp_client_next(l->client, &event); event.kind != ESP_CLIENT_NONE;
         esp_client_next(l->client, &event)) {
        if (event.kind == ESP_CLIENT_ASSIGNED) {
            begin(l, &event);
        } else if (event.kind == ESP_CLIENT_FENCED) {
            if (is_mine(l, &event)) {
                release(l);
            }
        } else if (event.kind == ESP_CLIENT_DIRECTED && is_mine(l, &event)) {
            l->directive = event.directive.number;
            if (event.directive.action == ESP_DIRECT_CONTINUE) {
                l->until = event.directive.until;
                l->waiting = l->step >= l->steps || l->step * l->step_tokens >= l->until;
            } else if (event.directive.action != ESP_DIRECT_SAVE) {
                release(l);
            }
        } else if (event.kind == ESP_CLIENT_LAPSED || event.kind == ESP_CLIENT_REFUSED) {
            return false;
        }
    }
    return true;
}

static void train(struct load *l)
{
    if (l->rate > 0) {
        l->due_us += (int64_t)(1e6 / l->rate);
        l->due_us = l->due_us < now_us() ? now_us() : l->due_us;
    }
    if (++l->step == l->crash_step) {
        kill(getpid(), SIGKILL);
    }
    report(l);
}

static int timeout_ms(struct load *l)
{
    if (!l->training || l->waiting) {
        return -1;
    }
    if (l->rate > 0) {
        int64_t left = l->due_us - now_us();
        return left > 0 ? (int)((left + 999) / 1000) : 0;
    }
    return esp_client_has_room(l->client) ? 0 : -1;
}

static void serve(struct load *l, int signals)
{
    struct pollfd fds[] = {{.fd = esp_client_fd(l->client), .events = POLLIN},
                           {.fd = signals, .events = POLLIN}};
    for (;;) {
        int timeout = timeout_ms(l);
        int ready = poll(fds, 2, timeout);
        if (ready > 0 && fds[1].revents) {
            break;
        }
        if (ready > 0 && fds[0].revents) {
            if (!take_events(l)) {
                return;
            }
        } else if (ready == 0 && timeout >= 0) {
            train(l);
        }
    }
    if (l->training) {
        release(l);
    }
    esp_client_flush(l->client, 5000);
}

static void write_times(const struct load *l)
{
    char path[ESP_PATH_MAX];
    const char *folder = getenv("ESPALIER_LOAD_OUT");
    if (!folder || l->times == 0) {
        return;
    }
    snprintf(path, sizeof path, "%s/%d", folder, (int)getpid());
    FILE *out = fopen(path, "w");
    for (size_t i = 0; out && i < l->times; i++) {
        fprintf(out, "%" PRIu32 "\n", l->times_us[i]);
    }
    if (out) {
        fclose(out);
    }
}

static uint64_t number_from(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    struct load l = {.rate = setting("ESPALIER_LOAD_RATE"),
                     .crash_step = (int64_t)setting("ESPALIER_LOAD_CRASH"),
                     .times_us = calloc(TIMES_MAX, sizeof(uint32_t))};
    struct esp_error error;
    sigset_t set;
    if (argc < 2 || strcmp(argv[1], "serve") != 0 || !l.times_us) {
        fputs("usage: loadgen serve ARGUMENTS, as espalier-trial\n", stderr);
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct esp_client_options options = {
        .endpoint = argument(argc, argv, "--connect"),
        .key = number_from(ESP_ENV_KEY),
        .study = number_from(ESP_ENV_STUDY),
        .device = argument(argc, argv, "--device"),
    };
    if (esp_client_create(&options, &l.client, &error) < 0) {
        fprintf(stderr, "loadgen: %s\n", error.text);
        return 1;
    }
    serve(&l, signalfd(-1, &set, SFD_CLOEXEC));
    esp_client_destroy(l.client);
    write_times(&l);
    free(l.times_us);
    return 0;
}
