/* The built espalier-trial serve with a scripted controller and a real socket. */
#include "../transport/wire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEY 12
#define LEASE_MS 60000
#define STEP_TOKENS (4 * 16) /* batch size · context */
#define HORIZON (40 * STEP_TOKENS)

static const char *program;

struct run {
    struct wire wire;
    pid_t pid;
    char data[96];
    uint64_t acked[8]; /* by trial */
};

static const struct esp_peer peer = {ESP_ROLE_TRIAL, KEY};

static void write_text(const char *path)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    uint32_t x = 1;
    for (int i = 0; i < 20000; i++) {
        x = x * 1664525 + 1013904223;
        fputc("etaoin shrdlu,.\n"[x >> 28], out);
    }
    fclose(out);
}

static void spawn(struct run *r)
{
    r->pid = fork();
    if (r->pid == 0) {
        char log[96];
        snprintf(log, sizeof log, "%s/log", r->wire.dir);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, 2);
        setenv(ESP_ENV_KEY, "12", 1);
        setenv(ESP_ENV_STUDY, "5", 1);
        execl(program,
              program,
              "serve",
              "--connect",
              r->wire.endpoint,
              "--dir",
              r->wire.dir,
              "--device",
              "cpu",
              "--slot",
              "0",
              NULL);
        _exit(127);
    }
}

static void welcome(struct run *r, uint32_t lease_ms)
{
    struct esp_message hello = wire_expect(&r->wire, ESP_MESSAGE_HELLO, NULL);
    assert_int_equal(hello.hello.pid, r->pid);
    assert_int_equal(hello.hello.study, 5);
    assert_string_equal(hello.hello.device, "cpu");
    wire_welcome(&r->wire, peer, lease_ms);
}

static int open_run(void **state)
{
    static struct run r;
    memset(&r, 0, sizeof r);
    wire_open(&r.wire);
    wire_listen(&r.wire);
    snprintf(r.data, sizeof r.data, "%s/text", r.wire.dir);
    write_text(r.data);
    spawn(&r);
    *state = &r;
    return 0;
}

static int wait_exit(struct run *r)
{
    int status;
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    r->pid = 0;
    return status;
}

static int close_run(void **state)
{
    struct run *r = *state;
    char command[128];
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        wait_exit(r);
    }
    wire_close(&r->wire);
    snprintf(command, sizeof command, "rm -rf '%s'", r->wire.dir);
    return system(command);
}

struct job {
    uint32_t trial, attempt;
    int64_t until;
    double rate;
    const char *data; /* NULL: the data of the run */
    const char *resume;
    uint64_t resume_hash;
    int64_t resume_tokens;
    double checkpoint_seconds;
};

static void assign(struct run *r, const struct job *job)
{
    struct esp_trainer trainer;
    struct esp_setting param = {"learning_rate",
                                {.type = ESP_VALUE_REAL, .real = job->rate ? job->rate : 1e-3}};
    struct esp_message message = {.kind = ESP_MESSAGE_ASSIGN};
    esp_trainer_init(&trainer);
    snprintf(trainer.data, sizeof trainer.data, "%s", job->data ? job->data : r->data);
    trainer.layers = 1;
    trainer.width = 16;
    trainer.heads = 2;
    trainer.context = 16;
    trainer.batch_size = 4;
    trainer.tokens = HORIZON;
    trainer.report_every = 10 * STEP_TOKENS;
    trainer.checkpoint_seconds = job->checkpoint_seconds ? job->checkpoint_seconds : 600;
    message.assign = (struct esp_assign){.trial = job->trial,
                                         .attempt = job->attempt,
                                         .params = &param,
                                         .param_count = 1,
                                         .trainer = &trainer,
                                         .resume = job->resume,
                                         .resume_hash = job->resume_hash,
                                         .resume_tokens = job->resume_tokens,
                                         .seed = 9,
                                         .horizon = HORIZON,
                                         .directive = {.until = job->until}};
    r->acked[job->trial] = 0;
    wire_send(&r->wire, peer, &message);
}

static void
direct(struct run *r, uint32_t trial, uint32_t attempt, struct esp_directive directive)
{
    struct esp_message message = {.kind = ESP_MESSAGE_DIRECT};
    message.direct =
        (struct esp_direct){.trial = trial, .attempt = attempt, .directive = directive};
    wire_send(&r->wire, peer, &message);
}

/* Receives the next message about an attempt and acknowledges it. */
static struct esp_message next_message(struct run *r)
{
    for (;;) {
        struct esp_message m = wire_expect(&r->wire, ESP_MESSAGE_NONE, NULL);
        struct esp_attempt_key key;
        switch (m.kind) {
        case ESP_MESSAGE_STARTED:
            key = m.started.at;
            break;
        case ESP_MESSAGE_REPORT:
            key = m.report.at;
            break;
        case ESP_MESSAGE_SAVED:
            key = m.saved.at;
            break;
        case ESP_MESSAGE_FAILED:
            key = m.failed.at;
            break;
        case ESP_MESSAGE_RELEASED:
            key = m.released.at;
            break;
        default:
            continue;
        }
        if (key.sequence > 0) {
            assert_int_equal(key.sequence, r->acked[key.trial] + 1);
            r->acked[key.trial] = key.sequence;
            struct esp_message ack = {.kind = ESP_MESSAGE_ACK};
            ack.ack = (struct esp_ack){
                .trial = key.trial, .attempt = key.attempt, .sequence = key.sequence};
            wire_send(&r->wire, peer, &ack);
        }
        return m;
    }
}

static struct esp_message expect(struct run *r, enum esp_message_kind kind)
{
    struct esp_message m = next_message(r);
    if (m.kind == ESP_MESSAGE_FAILED && kind != ESP_MESSAGE_FAILED) {
        fail_msg("the trial failed: %s", m.failed.text);
    }
    assert_int_equal(m.kind, kind);
    return m;
}

/* Receives reports until one waits for a directive; returns its last point. */
static struct esp_point to_waiting(struct run *r)
{
    struct esp_message m;
    do {
        m = expect(r, ESP_MESSAGE_REPORT);
        assert_int_equal(m.report.point_count, 1);
    } while (!m.report.waiting);
    return m.report.points[0];
}

static void await_exit(struct run *r, int signal_number, int status)
{
    if (signal_number) {
        kill(r->pid, signal_number);
    }
    int got = wait_exit(r);
    assert_true(WIFEXITED(got));
    assert_int_equal(WEXITSTATUS(got), status);
}

/* Pauses a trial; returns path and hash of its checkpoint. */
static struct esp_saved
pause_trial(struct run *r, uint32_t trial, uint32_t attempt, uint32_t number)
{
    static char path[ESP_PATH_MAX];
    direct(r,
           trial,
           attempt,
           (struct esp_directive){.number = number, .action = ESP_DIRECT_PAUSE});
    struct esp_saved saved = expect(r, ESP_MESSAGE_SAVED).saved;
    snprintf(path, sizeof path, "%s", saved.path);
    saved.path = path;
    assert_int_equal(expect(r, ESP_MESSAGE_RELEASED).released.at.attempt, attempt);
    return saved;
}

static void a_trial_trains_waits_continues_and_stops(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = 15 * STEP_TOKENS});
    struct esp_message m = expect(r, ESP_MESSAGE_STARTED);
    assert_true(m.started.can_save);
    assert_int_equal(m.started.tokens, 0);
    assert_int_equal(m.started.horizon, HORIZON);
    assert_null(m.started.fell_back);
    m = expect(r, ESP_MESSAGE_REPORT);
    assert_int_equal(m.report.points[0].step, 0);
    assert_true(fabs(m.report.points[0].value - log(256)) < 1);
    m = expect(r, ESP_MESSAGE_REPORT);
    assert_int_equal(m.report.points[0].step, 10);
    assert_true(m.report.points[0].device_seconds > 0);
    assert_true(m.report.points[0].measure_count > 0);
    m = expect(r, ESP_MESSAGE_REPORT);
    assert_int_equal(m.report.points[0].step, 15);
    assert_true(m.report.waiting);
    direct(r, 3, 1, (struct esp_directive){.number = 1, .until = HORIZON});
    struct esp_point last = to_waiting(r);
    assert_int_equal(last.tokens, HORIZON);
    assert_true(last.value < log(256));
    direct(
        r, 3, 1, (struct esp_directive){.number = 2, .action = ESP_DIRECT_STOP, .keep = true});
    m = expect(r, ESP_MESSAGE_SAVED);
    assert_string_equal(m.saved.path, "checkpoints/3/1-2560");
    assert_int_equal(m.saved.step, 40);
    char path[ESP_PATH_MAX];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", r->wire.dir, m.saved.path);
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_size, m.saved.bytes);
    expect(r, ESP_MESSAGE_RELEASED);
    await_exit(r, SIGTERM, 0);
}

static void a_paused_trial_resumes_as_if_never_paused(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 1, .attempt = 1});
    expect(r, ESP_MESSAGE_STARTED);
    double straight = to_waiting(r).value;
    direct(r, 1, 1, (struct esp_directive){.number = 1, .action = ESP_DIRECT_STOP});
    expect(r, ESP_MESSAGE_RELEASED);
    assign(r, &(struct job){.trial = 2, .attempt = 1, .until = 13 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    struct esp_saved saved = pause_trial(r, 2, 1, 1);
    assign(r,
           &(struct job){.trial = 2,
                         .attempt = 2,
                         .resume = saved.path,
                         .resume_hash = saved.hash,
                         .resume_tokens = saved.tokens});
    struct esp_message m = expect(r, ESP_MESSAGE_STARTED);
    assert_null(m.started.fell_back);
    assert_int_equal(m.started.tokens, 13 * STEP_TOKENS);
    struct esp_point last = to_waiting(r);
    assert_int_equal(last.tokens, HORIZON);
    assert_memory_equal(&last.value, &straight, sizeof straight);
}

static void damage(struct run *r, const char *name)
{
    char path[ESP_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", r->wire.dir, name);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, 5000), 3);
    close(fd);
}

static void a_damaged_checkpoint_is_replaced_by_the_one_before(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 2, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    pause_trial(r, 2, 1, 1);
    struct job again = {.trial = 2,
                        .attempt = 2,
                        .until = 20 * STEP_TOKENS,
                        .resume = "checkpoints/2/1-640",
                        .resume_tokens = 640};
    assign(r, &again);
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    struct esp_saved newer = pause_trial(r, 2, 2, 1);
    assert_string_equal(newer.path, "checkpoints/2/2-1280");
    again.attempt = 3;
    again.resume = newer.path;
    again.resume_tokens = newer.tokens;
    again.resume_hash = newer.hash + 1; /* not the recorded file */
    assign(r, &again);
    struct esp_message m = expect(r, ESP_MESSAGE_STARTED);
    assert_non_null(strstr(m.started.fell_back, "hash"));
    assert_non_null(strstr(m.started.fell_back, "resumed from checkpoints/2/1-640"));
    assert_int_equal(m.started.tokens, 640);
    to_waiting(r);
    direct(r, 2, 3, (struct esp_directive){.number = 1, .action = ESP_DIRECT_STOP});
    expect(r, ESP_MESSAGE_RELEASED);
    damage(r, newer.path);
    again.attempt = 4;
    again.resume_hash = newer.hash;
    assign(r, &again);
    m = expect(r, ESP_MESSAGE_STARTED);
    assert_non_null(strstr(m.started.fell_back, "resumed from checkpoints/2/1-640"));
    to_waiting(r);
    direct(r, 2, 4, (struct esp_directive){.number = 1, .action = ESP_DIRECT_STOP});
    expect(r, ESP_MESSAGE_RELEASED);
    damage(r, "checkpoints/2/1-640");
    again.attempt = 5;
    assign(r, &again);
    m = expect(r, ESP_MESSAGE_STARTED);
    assert_non_null(strstr(m.started.fell_back, "started again"));
    assert_int_equal(m.started.tokens, 0);
    to_waiting(r);
}

/* A FIFO without a writer would keep the process waiting in open(2). */
static void a_checkpoint_that_is_no_regular_file_is_replaced_by_the_one_before(void **state)
{
    struct run *r = *state;
    char path[ESP_PATH_MAX];
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 2, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    struct esp_saved saved = pause_trial(r, 2, 1, 1);
    assert_string_equal(saved.path, "checkpoints/2/1-640");
    snprintf(path, sizeof path, "%s/checkpoints/2/2-1280", r->wire.dir);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(i < 2 ? mkfifo(path, 0600) : mkdir(path, 0700), 0);
        assign(r,
               &(struct job){.trial = 2,
                             .attempt = 2 + i,
                             .until = 20 * STEP_TOKENS,
                             .resume = "checkpoints/2/2-1280",
                             .resume_tokens = 1280,
                             .resume_hash = i % 2 ? saved.hash : 0});
        struct esp_message m = expect(r, ESP_MESSAGE_STARTED);
        assert_non_null(strstr(m.started.fell_back, "not a regular file"));
        assert_non_null(strstr(m.started.fell_back, "resumed from checkpoints/2/1-640"));
        to_waiting(r);
        direct(r, 2, 2 + i, (struct esp_directive){.number = 1, .action = ESP_DIRECT_STOP});
        expect(r, ESP_MESSAGE_RELEASED);
        assert_int_equal(remove(path), 0);
    }
}

static void a_fault_of_one_trial_is_reported_and_the_process_continues(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 1, .attempt = 1, .data = "/nonexistent/text"});
    struct esp_message m = expect(r, ESP_MESSAGE_FAILED);
    assert_false(m.failed.save_failed);
    assert_non_null(strstr(m.failed.text, "/nonexistent/text"));
    expect(r, ESP_MESSAGE_RELEASED);
    assign(r, &(struct job){.trial = 2, .attempt = 1, .rate = -1});
    assert_non_null(strstr(expect(r, ESP_MESSAGE_FAILED).failed.text, "learning_rate"));
    expect(r, ESP_MESSAGE_RELEASED);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
}

static void a_save_that_fails_is_reported_and_training_continues(void **state)
{
    struct run *r = *state;
    char path[96];
    welcome(r, LEASE_MS);
    snprintf(path, sizeof path, "%s/checkpoints", r->wire.dir);
    close(open(path, O_WRONLY | O_CREAT, 0600)); /* a file in place of the folder */
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    direct(r, 3, 1, (struct esp_directive){.number = 1, .action = ESP_DIRECT_PAUSE});
    struct esp_message m = expect(r, ESP_MESSAGE_FAILED);
    assert_true(m.failed.save_failed);
    assert_int_equal(m.failed.code, -ENOTDIR);
    direct(r, 3, 1, (struct esp_directive){.number = 2, .until = HORIZON});
    assert_int_equal(to_waiting(r).tokens, HORIZON);
    unlink(path);
    pause_trial(r, 3, 1, 3);
}

static void checkpoints_are_also_saved_by_time(void **state)
{
    struct run *r = *state;
    int saves = 0;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .checkpoint_seconds = 1e-6});
    expect(r, ESP_MESSAGE_STARTED);
    for (;;) {
        struct esp_message m = next_message(r);
        saves += m.kind == ESP_MESSAGE_SAVED;
        if (m.kind == ESP_MESSAGE_REPORT && m.report.waiting) {
            break;
        }
    }
    assert_int_equal(saves, 4); /* after the reports at steps 0, 10, 20, 30 */
}

static void a_diverged_trial_reports_a_value_that_is_not_finite(void **state)
{
    struct run *r = *state;
    struct esp_message m;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .rate = 1000});
    m = expect(r, ESP_MESSAGE_STARTED);
    do {
        m = expect(r, ESP_MESSAGE_REPORT);
    } while (isfinite(m.report.points[0].value));
    assert_true(m.report.waiting);
    direct(r, 3, 1, (struct esp_directive){.number = 1, .action = ESP_DIRECT_STOP});
    expect(r, ESP_MESSAGE_RELEASED);
    assign(r, &(struct job){.trial = 4, .attempt = 1});
    expect(r, ESP_MESSAGE_STARTED);
    assert_true(isfinite(to_waiting(r).value));
}

static void sigterm_saves_reports_and_exits(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    kill(r->pid, SIGTERM);
    assert_int_equal(expect(r, ESP_MESSAGE_SAVED).saved.tokens, 10 * STEP_TOKENS);
    expect(r, ESP_MESSAGE_RELEASED);
    await_exit(r, 0, 0);
}

static void a_lapsed_lease_saves_and_exits(void **state)
{
    struct run *r = *state;
    char path[ESP_PATH_MAX];
    welcome(r, 1000);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    await_exit(r, 0, 0); /* from now on nobody answers */
    snprintf(path, sizeof path, "%s/checkpoints/3/1-640", r->wire.dir);
    assert_int_equal(access(path, R_OK), 0);
}

static void a_fenced_attempt_is_dropped_and_the_next_one_begins(void **state)
{
    struct run *r = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_FENCED};
    char path[ESP_PATH_MAX];
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1, .until = 10 * STEP_TOKENS});
    expect(r, ESP_MESSAGE_STARTED);
    to_waiting(r);
    message.fenced = (struct esp_fenced){.trial = 3, .attempt = 1};
    wire_send(&r->wire, peer, &message);
    struct esp_message m = expect(r, ESP_MESSAGE_RELEASED);
    assert_int_equal(m.released.at.sequence, 0);
    assign(r, &(struct job){.trial = 3, .attempt = 2, .until = 10 * STEP_TOKENS});
    assert_int_equal(expect(r, ESP_MESSAGE_STARTED).started.at.attempt, 2);
    to_waiting(r);
    snprintf(path, sizeof path, "%s/checkpoints/3/1-640", r->wire.dir);
    assert_int_not_equal(access(path, R_OK), 0);
}

static void a_process_continues_with_the_next_controller(void **state)
{
    struct run *r = *state;
    welcome(r, LEASE_MS);
    assign(r, &(struct job){.trial = 3, .attempt = 1});
    expect(r, ESP_MESSAGE_STARTED);
    wire_stop(&r->wire);
    wire_listen(&r->wire);
    welcome(r, LEASE_MS); /* the same pid */
    struct esp_point last = {0};
    uint64_t highest = 0;
    for (bool waiting = false; !waiting;) {
        struct esp_message m = wire_expect(&r->wire, ESP_MESSAGE_NONE, NULL);
        if (m.kind == ESP_MESSAGE_REPORT) { /* none is missing; some may be repeated */
            assert_true(m.report.at.sequence <= highest + 1 || highest == 0);
            highest = m.report.at.sequence > highest ? m.report.at.sequence : highest;
            waiting = m.report.waiting;
            last = m.report.points[0];
        }
    }
    assert_int_equal(last.tokens, HORIZON);
    assert_int_equal(highest, 6); /* Started, then steps 0, 10, 20, 30, 40 */
}

static void a_refused_process_exits_with_a_failure(void **state)
{
    struct run *r = *state;
    struct esp_message message = {.kind = ESP_MESSAGE_WELCOME};
    wire_expect(&r->wire, ESP_MESSAGE_HELLO, NULL);
    message.welcome.refused = "another study";
    wire_send(&r->wire, peer, &message);
    await_exit(r, 0, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_run, close_run)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_trial_trains_waits_continues_and_stops),
        TEST(a_checkpoint_that_is_no_regular_file_is_replaced_by_the_one_before),
        TEST(a_paused_trial_resumes_as_if_never_paused),
        TEST(a_damaged_checkpoint_is_replaced_by_the_one_before),
        TEST(a_fault_of_one_trial_is_reported_and_the_process_continues),
        TEST(a_save_that_fails_is_reported_and_training_continues),
        TEST(checkpoints_are_also_saved_by_time),
        TEST(a_diverged_trial_reports_a_value_that_is_not_finite),
        TEST(sigterm_saves_reports_and_exits),
        TEST(a_lapsed_lease_saves_and_exits),
        TEST(a_fenced_attempt_is_dropped_and_the_next_one_begins),
        TEST(a_process_continues_with_the_next_controller),
        TEST(a_refused_process_exits_with_a_failure),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s ESPALIER-TRIAL\n", argv[0]);
        return 2;
    }
    program = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
