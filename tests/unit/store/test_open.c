/* Opening: refused files, repairs, migrations, and the lock of a folder. */
#include "../../../controller/store/database.h"
#include "../../../controller/store/reader.h"
#include "../../../controller/store/schema.h"
#include "fixture.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void file_path(const char *dir, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", dir, name);
}

/* Opens the file as writer and as reader; both must fail with the same code and name the file.
 */
static void assert_refused(const char *dir, int code, const char *word)
{
    struct esp_store *store = NULL;
    struct esp_reader *reader = NULL;
    struct esp_error error = {""};
    assert_int_equal(esp_store_open(dir, NULL, &store, &error), code);
    assert_null(store);
    assert_non_null(strstr(error.text, "study.db"));
    if (!strstr(error.text, word)) {
        fail_msg("no \"%s\" in: %s", word, error.text);
    }
    assert_int_equal(esp_reader_open(dir, &reader, &error), code);
    assert_non_null(strstr(error.text, word));
}

static void execute(const char *dir, const char *sql)
{
    char path[512];
    sqlite3 *db = NULL;
    char *words = NULL;
    file_path(dir, "study.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &words) != SQLITE_OK) {
        fail_msg("%s: %s", sql, words);
    }
    sqlite3_close(db);
}

static void fill(const char *dir, int reports)
{
    struct esp_store *store = fixture_create(dir);
    for (int i = 0; i < reports; i++) {
        struct esp_event event = fixture_report((uint64_t)i + 1, i % 50, i, 1.5);
        assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    }
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
}

static void an_empty_folder_holds_no_study(void **state)
{
    assert_int_equal(esp_store_exists(*state), 0);
    assert_refused(*state, -ENOENT, "study");
}

static void a_study_is_not_created_twice(void **state)
{
    struct esp_store_origin origin = {.base = "/"};
    struct esp_store *store = NULL;
    struct esp_error error;
    fill(*state, 1);
    assert_int_equal(esp_store_exists(*state), 1);
    assert_int_equal(esp_store_create(*state, fixture_study(), &origin, NULL, &store, &error),
                     -EEXIST);
    assert_null(store);
}

static void a_database_of_another_program_is_refused(void **state)
{
    execute(*state, "CREATE TABLE recipe(title TEXT); INSERT INTO recipe VALUES ('soup')");
    assert_int_equal(esp_store_exists(*state), 1);
    assert_refused(*state, -EINVAL, "another program");
    assert_int_equal(fixture_query(*state, "SELECT count(*) FROM recipe"), 1);
}

static void a_newer_version_is_refused(void **state)
{
    fill(*state, 1);
    execute(*state, "PRAGMA user_version = 3");
    assert_refused(*state, -ENOTSUP, "newer");
}

static void a_file_that_is_not_a_database_is_refused(void **state)
{
    char path[512];
    file_path(*state, "study.db", path);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++) {
        fputs("this is not a database\n", file);
    }
    fclose(file);
    assert_int_equal(esp_store_exists(*state), 1);
    assert_refused(*state, -EBADMSG, "not a SQLite database");
}

/* Opening a FIFO blocks until another process opens it too. */
static void a_fifo_in_place_of_a_file_is_refused(void **state)
{
    char path[512];
    struct esp_error error = {""};
    int fd;
    snprintf(path, sizeof path, "%s/" ESP_STORE_FILE, (char *)*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(*state, -EINVAL, "not a regular file");
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/" ESP_STORE_LOCK, (char *)*state);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(esp_store_locked(*state, NULL), 0);
    assert_int_equal(esp_store_lock(*state, &fd, &error), -EINVAL);
    assert_non_null(strstr(error.text, "not a regular file"));
}

static void a_truncated_ledger_is_refused(void **state)
{
    char path[512];
    struct stat status;
    struct esp_store *store = NULL;
    struct esp_error error;
    fill(*state, 5000);
    file_path(*state, "study.db", path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(truncate(path, status.st_size / 2), 0);
    assert_int_equal(esp_store_open(*state, NULL, &store, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "damaged"));
}

static void a_page_of_garbage_is_found(void **state)
{
    char path[512], garbage[4096];
    struct esp_store *store = NULL;
    struct esp_error error;
    fill(*state, 5000);
    int64_t pages = fixture_query(*state, "PRAGMA page_count");
    file_path(*state, "study.db", path);
    int fd = open(path, O_RDWR);
    memset(garbage, 0xa5, sizeof garbage);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (pages - 5) * 4096), 4096);
    close(fd);
    assert_int_equal(esp_store_open(*state, NULL, &store, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "damaged"));
}

static int ignore(void *context, const struct esp_event *event)
{
    (void)context;
    (void)event;
    return 0;
}

static void a_missing_report_is_found_by_loading(void **state)
{
    struct esp_store *store = NULL;
    struct esp_error error = {""};
    fill(*state, 100);
    execute(*state, "DELETE FROM report WHERE step = 40");
    assert_int_equal(esp_store_open(*state, NULL, &store, &error), 0);
    assert_int_equal(esp_store_load(store, ignore, NULL, &error), -EBADMSG);
    assert_non_null(strstr(error.text, "damaged"));
    esp_store_close(store);
}

static void a_duplicate_seq_is_found_by_loading(void **state)
{
    struct esp_store *store = NULL;
    fill(*state, 100);
    execute(*state, "UPDATE report SET seq = 5 WHERE seq = 6");
    assert_int_equal(esp_store_open(*state, NULL, &store, NULL), 0);
    assert_int_equal(esp_store_load(store, ignore, NULL, NULL), -EBADMSG);
    esp_store_close(store);
}

static void the_event_log_cannot_be_changed(void **state)
{
    char path[512];
    sqlite3 *db = NULL;
    struct esp_store *store = fixture_create(*state);
    struct esp_event event = {.seq = 1, .kind = ESP_EVENT_NOTE, .trial = -1, .note.text = "x"};
    assert_int_equal(esp_store_append(store, &event, 1, NULL), 0);
    assert_int_equal(esp_store_commit(store, NULL), 0);
    esp_store_close(store);
    file_path(*state, "study.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE event SET kind = 'moved'", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM event", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

static void an_interrupted_creation_can_be_repeated(void **state)
{
    /* The most that exists before the transaction of the creation commits. */
    execute(*state, "PRAGMA journal_mode = WAL");
    assert_int_equal(esp_store_exists(*state), 0);
    assert_refused(*state, -ENOENT, "no study");
    esp_store_close(fixture_create(*state));
    assert_int_equal(esp_store_exists(*state), 1);
}

static void a_changed_search_does_not_bind(void **state)
{
    static struct esp_study other;
    struct esp_store *store = NULL;
    struct esp_error error;
    fill(*state, 1);
    assert_int_equal(esp_store_open(*state, NULL, &store, NULL), 0);
    assert_int_equal(esp_store_bind(store, fixture_study(), NULL), 0);
    other = *fixture_study();
    strcpy(other.params[1].name, "weight_decay");
    assert_int_equal(esp_store_bind(store, &other, &error), -EINVAL);
    assert_non_null(strstr(error.text, "weight_decay"));
    other = *fixture_study();
    other.param_count = 3;
    assert_int_equal(esp_store_bind(store, &other, &error), -EINVAL);
    other.param_count = 5;
    strcpy(other.params[4].name, "clip");
    assert_int_equal(esp_store_bind(store, &other, &error), -EINVAL);
    other = *fixture_study();
    other.maximize = true;
    assert_int_equal(esp_store_bind(store, &other, &error), -EINVAL);
    esp_store_close(store);
}

static const struct esp_migration steps[] = {
    {1, "ALTER TABLE study ADD COLUMN nonce TEXT"},
    {2,
     "CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT) STRICT; UPDATE study SET nonce = "
     "'x'"},
    {3, "CREATE TABLE study(oops)"},
};

static sqlite3 *old_database(const char *dir, char path[512])
{
    sqlite3 *db = NULL;
    execute(dir,
            "PRAGMA journal_mode = WAL; CREATE TABLE study(name TEXT); "
            "INSERT INTO study VALUES ('old')");
    file_path(dir, "study.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void an_older_version_is_migrated_after_a_backup(void **state)
{
    char path[512], backup[600];
    int64_t value = 0;
    struct esp_error error = {""};
    sqlite3 *db = old_database(*state, path), *copy = NULL;
    assert_int_equal(esp_schema_migrate(db, path, steps, 2, 2, &error), 0);
    assert_int_equal(esp_database_integer(db, "PRAGMA user_version", &value), 0);
    assert_int_equal(value, 2);
    assert_int_equal(
        esp_database_integer(db, "SELECT nonce = 'x' AND name = 'old' FROM study", &value), 0);
    assert_int_equal(value, 1);
    sqlite3_close(db);
    snprintf(backup, sizeof backup, "%s.v0.bak", path);
    assert_int_equal(sqlite3_open(backup, &copy), SQLITE_OK);
    assert_int_equal(
        esp_database_integer(copy, "SELECT count(*) FROM study WHERE name = 'old'", &value), 0);
    assert_int_equal(value, 1);
    assert_true(esp_database_integer(copy, "SELECT nonce FROM study", &value) < 0);
    sqlite3_close(copy);
}

static void a_failed_migration_changes_nothing(void **state)
{
    char path[512];
    int64_t value = -1;
    struct esp_error error = {""};
    sqlite3 *db = old_database(*state, path);
    assert_true(esp_schema_migrate(db, path, steps, 3, 3, &error) < 0);
    assert_non_null(strstr(error.text, "migrate"));
    assert_int_equal(esp_database_integer(db, "PRAGMA user_version", &value), 0);
    assert_int_equal(value, 0);
    assert_int_equal(
        esp_database_integer(db, "SELECT count(*) FROM pragma_table_info('study')", &value), 0);
    assert_int_equal(value, 1);
    assert_int_equal(esp_schema_migrate(db, path, steps, 2, 4, &error), -ENOTSUP);
    sqlite3_close(db);
}

static void one_process_holds_a_folder(void **state)
{
    char sub[512];
    struct esp_error error = {""};
    int first = -1, second = -1, pipes[2];
    pid_t pid = 0;
    file_path(*state, "study", sub);
    assert_int_equal(esp_store_locked(sub, &pid), 0);
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        int rc = esp_store_lock(sub, &first, NULL);
        if (write(pipes[1], rc == 0 ? "y" : "n", 1) == 1) {
            pause();
        }
        _exit(0);
    }
    char answer = 0;
    assert_int_equal(read(pipes[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    assert_int_equal(esp_store_lock(sub, &second, &error), -EBUSY);
    char words[32];
    snprintf(words, sizeof words, "process %d", child);
    assert_non_null(strstr(error.text, words));
    assert_int_equal(esp_store_locked(sub, &pid), 1);
    assert_int_equal(pid, child);
    /* The query did not take the lock: it is still held, and free once its holder is killed. */
    assert_int_equal(esp_store_locked(sub, &pid), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(esp_store_locked(sub, &pid), 0);
    assert_int_equal(esp_store_lock(sub, &second, &error), 0);
    close(second);
    close(pipes[0]);
    close(pipes[1]);
}

static int as_nobody_in(const char *dir)
{
    pid_t child = fork();
    if (child == 0) {
        int fd;
        struct esp_error error = {""};
        int rc = geteuid() == 0 && setuid(65534) ? 1 : esp_store_lock(dir, &fd, &error);
        _exit(rc == -EACCES && strstr(error.text, "cannot write") ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static void an_unwritable_folder_is_named(void **state)
{
    struct esp_error error;
    int fd;
    assert_int_equal(chmod(*state, 0555), 0);
    assert_int_equal(as_nobody_in(*state), 0);
    assert_int_equal(esp_store_lock("/proc/nowhere", &fd, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/proc/nowhere"));
}

static void network_filesystems_are_refused(void **state)
{
    (void)state;
    assert_string_equal(esp_filesystem_refused(0x6969, "nfs4"), "NFS");
    assert_string_equal(esp_filesystem_refused(0xff534d42, "cifs"), "CIFS");
    assert_string_equal(esp_filesystem_refused(0x0bd00bd0, "lustre"), "Lustre");
    assert_string_equal(esp_filesystem_refused(0x65735546, "fuse.sshfs"), "sshfs");
    assert_null(esp_filesystem_refused(0x65735546, "fuseblk"));
    assert_null(esp_filesystem_refused(0xef53, "ext4"));
    assert_null(esp_filesystem_refused(0x01021994, "tmpfs"));
    assert_null(esp_filesystem_refused(0x794c7630, "overlay"));
    assert_null(esp_filesystem_refused(0x01021997, "9p"));
    assert_int_equal(esp_filesystem_check("/tmp", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define WITH_DIR(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
        WITH_DIR(an_empty_folder_holds_no_study),
        WITH_DIR(a_study_is_not_created_twice),
        WITH_DIR(a_database_of_another_program_is_refused),
        WITH_DIR(a_newer_version_is_refused),
        WITH_DIR(a_file_that_is_not_a_database_is_refused),
        WITH_DIR(a_fifo_in_place_of_a_file_is_refused),
        WITH_DIR(a_truncated_ledger_is_refused),
        WITH_DIR(a_page_of_garbage_is_found),
        WITH_DIR(a_missing_report_is_found_by_loading),
        WITH_DIR(a_duplicate_seq_is_found_by_loading),
        WITH_DIR(the_event_log_cannot_be_changed),
        WITH_DIR(an_interrupted_creation_can_be_repeated),
        WITH_DIR(a_changed_search_does_not_bind),
        WITH_DIR(an_older_version_is_migrated_after_a_backup),
        WITH_DIR(a_failed_migration_changes_nothing),
        WITH_DIR(one_process_holds_a_folder),
        WITH_DIR(an_unwritable_folder_is_named),
        cmocka_unit_test(network_filesystems_are_refused),
    };
    return cmocka_run_group_tests_name("store open", tests, NULL, NULL);
}
