/* Process death and full disks: committed events are kept, uncommitted ones are gone. */
#include "bad_disk.h"
#include "fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 25, GROUP = 16 };

/* The event with a given seq, the same in every process. */
static struct esp_event event_at(uint64_t seq)
{
    uint64_t random = seq * 1000003;
    enum esp_event_kind kind =
        fixture_random(&random) % 3
            ? ESP_EVENT_REPORT
            : (enum esp_event_kind)(1 + fixture_random(&random) % (ESP_EVENT_KIND_COUNT - 1));
    struct esp_event event = fixture_event(&random, kind, seq);
    if (kind == ESP_EVENT_REPORT) {
        event.report.point.step = (int64_t)seq; /* steps are distinct, as those of a trial */
    }
    return event;
}

static int check(void *context, const struct esp_event *event)
{
    uint64_t *seq = context;
    struct esp_event expected = event_at(++*seq);
    fixture_assert_same(&expected, event);
    return 0;
}

/* Opens the ledger (which checks the file), loads and compares it, and returns its last seq. */
static uint64_t verify(const char *dir)
{
    struct esp_store *store = NULL;
    struct esp_error error = {""};
    uint64_t seen = 0;
    if (esp_store_open(dir, NULL, &store, &error) < 0 ||
        esp_store_load(store, check, &seen, &error) < 0) {
        fail_msg("%s", error.text);
    }
    assert_int_equal(seen, esp_store_seq(store));
    esp_store_close(store);
    assert_int_equal(
        fixture_query(
            dir, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"),
        0);
    /* The derived tables are from the same commit. */
    assert_int_equal(fixture_query(dir,
                                   "SELECT (SELECT count(*) FROM event WHERE kind = 'note') - "
                                   "(SELECT count(*) FROM note)"),
                     0);
    assert_int_equal(fixture_query(dir,
                                   "SELECT (SELECT count(*) FROM event WHERE kind = 'saved') - "
                                   "(SELECT count(*) FROM checkpoint)"),
                     0);
    return seen;
}

/* Appends and commits in an endless loop, and reports each commit through the pipe. */
static void write_until_killed(const char *dir, int pipe)
{
    struct esp_store *store = NULL;
    if (esp_store_open(dir, NULL, &store, NULL) < 0 ||
        esp_store_bind(store, fixture_study(), NULL) < 0) {
        _exit(1);
    }
    for (;;) {
        for (int i = 0; i < GROUP; i++) {
            struct esp_event event = event_at(esp_store_seq(store) + 1);
            if (esp_store_append(store, &event, 1, NULL) < 0) {
                _exit(2);
            }
        }
        uint64_t seq;
        if (esp_store_commit(store, NULL) < 0) {
            _exit(3);
        }
        seq = esp_store_seq(store);
        if (write(pipe, &seq, sizeof seq) != sizeof seq) {
            _exit(4);
        }
    }
}

static void committed_events_survive_a_kill_at_any_moment(void **state)
{
    uint64_t random = 11, told = 0;
    esp_store_close(fixture_create(*state));
    for (int round = 0; round < KILLS; round++) {
        int pipes[2];
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid_t child = fork();
        if (child == 0) {
            write_until_killed(*state, pipes[1]);
        }
        close(pipes[1]);
        /* Waits for some commits and then a random part of another one. */
        uint64_t seq = told, commits = 1 + fixture_random(&random) % 60;
        for (uint64_t i = 0; i < commits; i++) {
            assert_int_equal(read(pipes[0], &seq, sizeof seq), sizeof seq);
        }
        struct timespec wait = {0, (long)(fixture_random(&random) % 2000000)};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        int status;
        waitpid(child, &status, 0);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &seq, sizeof seq) == sizeof seq) {
        }
        close(pipes[0]);
        told = seq;
        uint64_t found = verify(*state);
        assert_true(found >= told);
        assert_int_equal(found % GROUP, 0); /* whole groups only */
    }
}

/* Appends until an append fails with `full` and `words`. Checks that the last group is gone and
 * the rest is kept. */
static uint64_t fill_until(struct esp_store *store, uint64_t seq, int full, const char *words)
{
    struct esp_error error = {""};
    for (;;) {
        int code = 0;
        for (int i = 0; code == 0 && i < GROUP; i++) {
            struct esp_event event = event_at(seq + (uint64_t)i + 1);
            code = esp_store_append(store, &event, 1, &error);
        }
        code = code < 0 ? code : esp_store_commit(store, &error);
        if (code < 0) {
            assert_int_equal(code, full);
            assert_non_null(strstr(error.text, words));
            assert_int_equal(esp_store_seq(store), seq);
            return seq;
        }
        seq += GROUP;
        assert_true(seq < 1000000);
    }
}

static uint64_t fill_up(struct esp_store *store, uint64_t seq)
{
    return fill_until(store, seq, -ENOSPC, "room");
}

static void a_full_ledger_keeps_commits_and_stays_usable(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_error error = {""};
    uint64_t seen = 0;
    esp_store_quota(store, 30);
    uint64_t seq = fill_up(store, 0);
    assert_true(seq > 0);
    assert_int_equal(esp_store_room(store, &error), 0);
    assert_int_equal(fill_up(store, seq), seq); /* still full, still usable */
    assert_int_equal(esp_store_load(store, check, &seen, &error), 0);
    assert_int_equal(seen, seq);
    esp_store_quota(store, -1);
    assert_int_equal(esp_store_room(store, &error), 1);
    struct esp_event event = event_at(seq + 1);
    assert_int_equal(esp_store_append(store, &event, 1, &error), 0);
    assert_int_equal(esp_store_commit(store, &error), 0);
    esp_store_close(store);
    assert_int_equal(verify(*state), seq + 1);
}

/* open(2) as the store calls it (open64, linked with --wrap): O_TMPFILE can be made to fail as
 * on FUSE.
 */
static bool refuse_unnamed;
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, mode_t mode);
int __wrap_open64(const char *path, int flags, mode_t mode)
{
    if (refuse_unnamed && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_open64(path, flags, mode);
}

static void a_full_disk_keeps_commits_and_stays_usable(void **state)
{
    struct esp_error error = {""};
    char ballast[512];
    if (mount("none", *state, "tmpfs", 0, "size=4m") < 0) {
        skip(); /* not root, or not allowed to mount */
    }
    struct esp_store *store = fixture_create(*state);
    snprintf(ballast, sizeof ballast, "%s/ballast", (char *)*state);
    int fd = open(ballast, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(posix_fallocate(fd, 0, 2 << 20), 0);
    uint64_t seq = fill_up(store, 0), seen = 0;
    assert_true(seq > 0);
    assert_int_equal(esp_store_room(store, &error), 0);
    assert_int_equal(esp_store_load(store, check, &seen, &error), 0);
    assert_int_equal(seen, seq);
    /* Reopens the ledger while the disk is full, as after a kill. */
    esp_store_close(store);
    assert_int_equal(verify(*state), seq);
    assert_int_equal(esp_store_open(*state, NULL, &store, &error), 0);
    assert_int_equal(esp_store_bind(store, fixture_study(), &error), 0);
    close(fd);
    unlink(ballast);
    assert_int_equal(esp_store_room(store, &error), 1);
    struct esp_event event = event_at(seq + 1);
    assert_int_equal(esp_store_append(store, &event, 1, &error), 0);
    assert_int_equal(esp_store_commit(store, &error), 0);
    esp_store_close(store);
    assert_int_equal(verify(*state), seq + 1);
    assert_int_equal(umount2(*state, MNT_DETACH), 0);
}

/* SIGXFSZ is ignored as the programs do. */
static void a_limit_on_file_sizes_is_a_full_disk(void **state)
{
    struct esp_error error = {""};
    struct esp_store *store = fixture_create(*state);
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    small = (struct rlimit){1 << 20, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    uint64_t seq = fill_until(store, 0, -EFBIG, "ulimit -f");
    assert_true(seq > 0);
    assert_int_equal(esp_store_room(store, &error), 0);
    assert_int_equal(fill_until(store, seq, -EFBIG, "ulimit -f"), seq); /* still usable */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(esp_store_room(store, &error), 1);
    struct esp_event event = event_at(seq + 1);
    assert_int_equal(esp_store_append(store, &event, 1, &error), 0);
    assert_int_equal(esp_store_commit(store, &error), 0);
    esp_store_close(store);
    assert_int_equal(verify(*state), seq + 1);
}

static void room_is_found_on_file_systems_without_unnamed_files(void **state)
{
    char path[512];
    glob_t left;
    refuse_unnamed = true;
    struct esp_store *store = fixture_create(*state);
    assert_int_equal(esp_store_room(store, NULL), 1);
    esp_store_close(store);
    snprintf(path, sizeof path, "%s/.scratch*", (char *)*state);
    assert_int_equal(glob(path, 0, NULL, &left), GLOB_NOMATCH);
    a_full_disk_keeps_commits_and_stays_usable(state);
    refuse_unnamed = false;
}

static int restore_unnamed(void **state)
{
    refuse_unnamed = false;
    return fixture_teardown(state);
}

static void events_out_of_order_drop_the_group(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event first = event_at(1), third = event_at(3);
    struct esp_error error = {""};
    uint64_t seen = 0;
    assert_int_equal(esp_store_append(store, &first, 1, NULL), 0);
    assert_int_equal(esp_store_append(store, &third, 1, &error), -EINVAL);
    assert_int_equal(esp_store_seq(store), 0);
    assert_int_equal(esp_store_append(store, &first, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    assert_int_equal(esp_store_load(store, check, &seen, NULL), 0);
    assert_int_equal(seen, 1);
    esp_store_close(store);
}

static void another_writer_makes_the_store_busy_not_broken(void **state)
{
    struct esp_store *store = fixture_create(*state);
    struct esp_event event = event_at(1);
    struct esp_error error = {""};
    char path[512];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/study.db", (char *)*state);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(esp_store_append(store, &event, 1, &error), -EBUSY);
    assert_non_null(strstr(error.text, "close the other program"));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(esp_store_append(store, &event, 1, &error), 0);
    assert_int_equal(esp_store_commit(store, &error), 0);
    esp_store_close(store);
    assert_int_equal(verify(*state), 1);
}

static void a_held_snapshot_only_delays_checkpoints(void **state)
{
    struct esp_store *store = fixture_create(*state);
    char path[512];
    sqlite3 *db = NULL;
    snprintf(path, sizeof path, "%s/study.db", (char *)*state);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL),
                     SQLITE_OK);
    for (uint64_t seq = 1; seq <= 6000; seq++) {
        struct esp_event event = event_at(seq);
        assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
        if (seq % 20 == 0) {
            assert_int_equal(esp_store_commit(store, NULL), 0);
        }
    }
    sqlite3_close(db);
    esp_store_close(store);
    assert_int_equal(verify(*state), 6000);
}

static int append_and_commit(struct esp_store *store, struct esp_error *error)
{
    struct esp_event event = event_at(esp_store_seq(store) + 1);
    int code = esp_store_append(store, &event, 1, error);
    return code < 0 ? code : esp_store_commit(store, error);
}

/* After a failed write the state of the kernel's cache is unknown, so nothing may be
 * acknowledged until the file has been reopened, which checks it. */
static void a_disk_error_breaks_the_store_until_it_is_reopened(void **state)
{
    static const enum bad_disk ways[] = {BAD_DISK_SYNC, BAD_DISK_WRITE};
    struct esp_error error = {""};
    bad_disk_insert();
    struct esp_store *store = fixture_create(*state);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(append_and_commit(store, &error), 0);
        uint64_t seq = esp_store_seq(store), seen = 0;
        bad_disk_set(ways[i]);
        assert_int_equal(append_and_commit(store, &error), -EIO);
        assert_non_null(strstr(error.text, "disk"));
        bad_disk_set(BAD_DISK_WELL);
        assert_int_equal(esp_store_seq(store), seq);
        assert_int_equal(append_and_commit(store, &error), -EIO);
        assert_int_equal(esp_store_load(store, check, &seen, &error), -EIO);
        assert_int_equal(esp_store_room(store, &error), -EIO);
        esp_store_close(store);
        /* The unacknowledged group is on disk either completely or not at all.
         */
        uint64_t found = verify(*state);
        assert_true(found == seq || found == seq + 1);
        assert_int_equal(esp_store_open(*state, NULL, &store, &error), 0);
        assert_int_equal(esp_store_bind(store, fixture_study(), &error), 0);
    }
    esp_store_close(store);
    bad_disk_remove();
}

static void a_failed_checkpoint_breaks_the_store_too(void **state)
{
    struct esp_error error = {""};
    bad_disk_insert();
    struct esp_store *store = fixture_create(*state);
    bad_disk_set(BAD_DISK_SYNC_MAIN);
    int code = 0;
    uint64_t seq = 0;
    for (int i = 0; code == 0 && i < 10000; i++) {
        seq = esp_store_seq(store);
        code = append_and_commit(store, &error);
        esp_store_tidy(store);
    }
    assert_int_equal(code, -EIO);
    bad_disk_set(BAD_DISK_WELL);
    esp_store_close(store);
    assert_int_equal(verify(*state), seq);
    bad_disk_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_DIR(committed_events_survive_a_kill_at_any_moment),
        WITH_DIR(a_full_ledger_keeps_commits_and_stays_usable),
        WITH_DIR(a_limit_on_file_sizes_is_a_full_disk),
        WITH_DIR(a_full_disk_keeps_commits_and_stays_usable),
        cmocka_unit_test_setup_teardown(room_is_found_on_file_systems_without_unnamed_files,
                                        fixture_setup,
                                        restore_unnamed),
        WITH_DIR(a_disk_error_breaks_the_store_until_it_is_reopened),
        WITH_DIR(a_failed_checkpoint_breaks_the_store_too),
        WITH_DIR(events_out_of_order_drop_the_group),
        WITH_DIR(another_writer_makes_the_store_busy_not_broken),
        WITH_DIR(a_held_snapshot_only_delays_checkpoints),
    };
    return cmocka_run_group_tests_name("store crash", tests, NULL, NULL);
}
