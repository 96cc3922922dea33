#include "processes.h"

#include "../system/cpu_affinity.h"
#include "../system/environment.h"
#include "../system/files.h"
#include "../system/launch.h"

#include <assert.h>
#include <errno.h>
#include <espalier/message.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Acknowledged keys that are remembered, so that a delayed Spawn does not start them again. */
#define FORGOTTEN_MAX 1024
#define TAIL_LINES 40

struct esp_processes {
    struct esp_processes_options options;
    char program[ESP_PATH_MAX];
    struct esp_process *items;
    size_t count;
    uint64_t forgotten[FORGOTTEN_MAX];
    size_t forgotten_count; /* in total; modulo the size it is the next index of the ring */
};

static struct esp_process *find(struct esp_processes *table, uint64_t key)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i].record.key == key) {
            return &table->items[i];
        }
    }
    return NULL;
}

static bool was_forgotten(const struct esp_processes *table, uint64_t key)
{
    size_t known =
        table->forgotten_count < FORGOTTEN_MAX ? table->forgotten_count : FORGOTTEN_MAX;
    for (size_t i = 0; i < known; i++) {
        if (table->forgotten[i] == key) {
            return true;
        }
    }
    return false;
}

/* Records the exit of an entry. If the disk is full the exit is reported nevertheless, and a
 * later agent would find out that the process does not exist. */
static void end_entry(struct esp_processes *table, struct esp_process *entry)
{
    if (entry->pidfd >= 0) {
        close(entry->pidfd);
        entry->pidfd = -1;
    }
    entry->record.ended = true;
    entry->kill_at_ms = 0;
    entry->reported = false;
    esp_process_record_write(table->options.dir, &entry->record, NULL);
}

/* The same for a process that is not our child: waitid cannot read its exit status. */
static void end_adopted(struct esp_processes *table, struct esp_process *entry)
{
    entry->record.status = -1;
    entry->record.signal = 0;
    end_entry(table, entry);
}

static int adopt(void *context, const struct esp_process_record *record)
{
    struct esp_processes *table = context;
    if (table->count == ESP_PROCESSES_MAX) {
        return -ENOSPC;
    }
    struct esp_process *entry = &table->items[table->count++];
    *entry = (struct esp_process){.record = *record, .pidfd = -1};
    if (record->ended) {
        return 0;
    }
    entry->pidfd = esp_process_identity_open(&record->identity);
    if (entry->pidfd < 0) {
        end_adopted(table, entry);
    }
    return 0;
}

int esp_processes_open(const struct esp_processes_options *options,
                       struct esp_processes **out,
                       struct esp_error *error)
{
    char folder[ESP_PATH_MAX];
    int rc = 0;
    struct esp_processes *table = calloc(1, sizeof *table);
    if (!table || !(table->items = calloc(ESP_PROCESSES_MAX, sizeof *table->items))) {
        rc = esp_error_set(error, -ENOMEM, "out of memory.");
        goto out;
    }
    table->options = *options;
    if (options->program) {
        snprintf(table->program, sizeof table->program, "%s", options->program);
    } else {
        rc = esp_launch_find("espalier-trial", table->program, sizeof table->program);
    }
    if (rc < 0) {
        esp_error_set(error, rc, "cannot find espalier-trial: %s.", strerror(-rc));
        goto out;
    }
    snprintf(folder, sizeof folder, "%s/agent/processes", options->dir);
    rc = esp_files_make_dir(folder, error);
    if (rc < 0) {
        goto out;
    }
    snprintf(folder, sizeof folder, "%s/logs", options->dir);
    rc = esp_files_make_dir(folder, error);
    if (rc < 0) {
        goto out;
    }
    rc = esp_process_record_list(options->dir, adopt, table, error);
    if (rc < 0) {
        goto out;
    }
    *out = table;
    table = NULL;
out:
    esp_processes_close(table);
    return rc;
}

void esp_processes_close(struct esp_processes *table)
{
    if (!table) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i].pidfd >= 0) {
            close(table->items[i].pidfd);
        }
    }
    free(table->items);
    free(table);
}

static void log_path(const struct esp_processes *table, uint64_t key, char out[ESP_PATH_MAX])
{
    snprintf(out, ESP_PATH_MAX, "%s/logs/%" PRIu64 ".log", table->options.dir, key);
}

static int start(struct esp_processes *table,
                 struct esp_process *entry,
                 const char *device,
                 struct esp_error *error)
{
    char key[48], study[48], slot[16], log[ESP_PATH_MAX], visible[ESP_NAME_MAX + 32];
    char blas[] = "OPENBLAS_NUM_THREADS=1", omp[] = "OMP_NUM_THREADS=1";
    char **environment = NULL;
    cpu_set_t set;
    bool cuda = strncmp(device, "cuda:", 5) == 0;
    int core_fd = cuda ? -1 : esp_cpu_affinity_claim(entry->record.slot, &set), rc = 0;
    /* Not as arguments: those are visible to every user of the host. */
    snprintf(key, sizeof key, ESP_ENV_KEY "=%" PRIu64, entry->record.key);
    snprintf(study, sizeof study, ESP_ENV_STUDY "=%" PRIu64, table->options.study);
    snprintf(slot, sizeof slot, "%" PRIu32, entry->record.slot);
    log_path(table, entry->record.key, log);
    /* The process sees only the GPU with this UUID. */
    snprintf(visible, sizeof visible, "CUDA_VISIBLE_DEVICES=%s", cuda ? device + 5 : "");
    const char *arguments[] = {table->program,
                               "serve",
                               "--connect",
                               table->options.endpoint,
                               "--dir",
                               table->options.dir,
                               "--device",
                               device,
                               "--slot",
                               slot,
                               NULL};
    char *changed[] = {key, study, blas, omp, cuda ? visible : NULL, NULL};
    environment = esp_environment_with(changed);
    if (!environment) {
        rc = esp_error_set(error, -ENOMEM, "out of memory.");
        goto out;
    }
    struct esp_launch launch = {.program = table->program,
                                .arguments = (char *const *)arguments,
                                .environment = environment,
                                .log = log,
                                .affinity = core_fd >= 0 ? &set : NULL,
                                .keep_fd = core_fd};
    struct esp_launched launched;
    rc = esp_launch_prepare(&launch, &launched, error);
    if (rc < 0) {
        goto out;
    }
    rc = esp_process_identity_read(launched.pid, &entry->record.identity, NULL);
    if (rc == 0) {
        rc = esp_process_record_write(table->options.dir, &entry->record, error);
    }
    if (rc < 0) {
        esp_launch_abandon(&launched);
        goto out;
    }
    entry->pidfd = launched.pidfd;
    entry->child = true;
    esp_launch_release(&launched);
out:
    if (core_fd >= 0) {
        close(core_fd);
    }
    free(environment);
    return rc;
}

int esp_processes_spawn(struct esp_processes *table,
                        uint64_t key,
                        const char *device,
                        uint32_t slot,
                        struct esp_error *error)
{
    if (find(table, key) || was_forgotten(table, key)) {
        return 0;
    }
    if (table->count == ESP_PROCESSES_MAX) {
        return esp_error_set(
            error, -ENOSPC, "the limit of %d processes is reached.", ESP_PROCESSES_MAX);
    }
    struct esp_process *entry = &table->items[table->count++];
    *entry = (struct esp_process){
        .record = {.key = key, .slot = slot, .status = -1},
        .pidfd = -1,
    };
    int rc = start(table, entry, device, error);
    if (rc < 0) {
        entry->record.identity = (struct esp_process_identity){0};
        end_entry(table, entry);
    }
    return rc;
}

static void kill_group(struct esp_process *entry)
{
    /* The pidfd ensures that the pid was not reused; the id of the group is this pid. */
    if (pidfd_send_signal(entry->pidfd, SIGKILL, NULL, 0) == 0) {
        kill(-entry->record.identity.pid, SIGKILL);
    }
}

int esp_processes_kill(struct esp_processes *table, uint64_t key, bool now, int64_t now_ms)
{
    struct esp_process *entry = find(table, key);
    if (!entry) {
        return -ENOENT;
    }
    if (entry->record.ended || entry->pidfd < 0) {
        return 0;
    }
    if (!entry->record.asked) {
        entry->record.asked = true;
        esp_process_record_write(table->options.dir, &entry->record, NULL);
    }
    if (now) {
        entry->kill_at_ms = 0;
        kill_group(entry);
    } else if (entry->kill_at_ms == 0) {
        entry->kill_at_ms = now_ms + table->options.grace_ms;
        pidfd_send_signal(entry->pidfd, SIGTERM, NULL, 0);
    }
    return 0;
}

void esp_processes_expire(struct esp_processes *table, int64_t now_ms)
{
    for (size_t i = 0; i < table->count; i++) {
        struct esp_process *entry = &table->items[i];
        if (entry->kill_at_ms != 0 && entry->kill_at_ms <= now_ms && entry->pidfd >= 0) {
            entry->kill_at_ms = 0;
            kill_group(entry);
        }
    }
}

int64_t esp_processes_deadline(const struct esp_processes *table)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < table->count; i++) {
        int64_t at = table->items[i].kill_at_ms;
        next = at != 0 && at < next ? at : next;
    }
    return next;
}

void esp_processes_reap(struct esp_processes *table, size_t index)
{
    assert(index < table->count);
    struct esp_process *entry = &table->items[index];
    siginfo_t info = {0};
    if (entry->record.ended) {
        return;
    }
    if (!entry->child) {
        end_adopted(table, entry);
        return;
    }
    /* End the rest of its group before reaping it: until then the id of the group is not
     * reused. */
    if (waitid(P_PIDFD, (id_t)entry->pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
        info.si_pid == 0) {
        return;
    }
    kill(-entry->record.identity.pid, SIGKILL);
    if (waitid(P_PIDFD, (id_t)entry->pidfd, &info, WEXITED) < 0) {
        return;
    }
    entry->record.status = info.si_code == CLD_EXITED ? info.si_status : -1;
    entry->record.signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    end_entry(table, entry);
}

void esp_processes_forget(struct esp_processes *table, uint64_t key)
{
    struct esp_process *entry = find(table, key);
    if (!entry || !entry->record.ended) {
        return;
    }
    esp_process_record_remove(table->options.dir, key);
    table->forgotten[table->forgotten_count++ % FORGOTTEN_MAX] = key;
    *entry = table->items[--table->count];
}

size_t esp_processes_count(const struct esp_processes *table)
{
    return table->count;
}

size_t esp_processes_alive(const struct esp_processes *table)
{
    size_t alive = 0;
    for (size_t i = 0; i < table->count; i++) {
        alive += !table->items[i].record.ended;
    }
    return alive;
}

struct esp_process *esp_processes_at(struct esp_processes *table, size_t index)
{
    assert(index < table->count);
    return &table->items[index];
}

void esp_processes_tail(const struct esp_processes *table,
                        uint64_t key,
                        char out[ESP_LOG_TAIL_MAX])
{
    char path[ESP_PATH_MAX];
    log_path(table, key, path);
    esp_files_tail(path, TAIL_LINES, out, ESP_LOG_TAIL_MAX);
}
