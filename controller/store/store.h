/* The writer of the ledger DIR/study.db (schema.c describes the format).
 *
 * Rules:
 *   - Only the process that holds DIR/lock opens a store; readers use reader.h.
 *   - Events survive kill -9 and power loss once `esp_store_commit` has returned 0 (WAL,
 *     synchronous=FULL). Only such events may be acknowledged.
 *   - Appends are collected in one open transaction, the group. When an append or a commit
 * fails, the whole group is rolled back: the ledger and `esp_store_seq` are as after the last
 *     successful commit. The caller drops the effects of the group and rebuilds its core.
 *   - Whether the store is usable after a failure depends on the code:
 *       -ENOSPC  the disk is full: usable; appends may succeed once there is room
 *                (esp_store_room)
 *       -EBUSY   another program wrote to the file: usable, try again
 *       -EINVAL  events out of order, or a field that cannot be represented: usable; a bug of
 *                the caller
 *       -EIO, -EBADMSG, others: the disk refused a write or the file is damaged. Every later
 *                call fails with the same code; close, open (which verifies) and load again.
 *
 * One thread per store. */
#ifndef ESPALIER_STORE_STORE_H
#define ESPALIER_STORE_STORE_H

#include <espalier/event.h>
#include <espalier/study.h>
#include <sys/types.h>

#define ESP_STORE_FILE "study.db"
#define ESP_STORE_LOCK "lock"

struct esp_store;

struct esp_store_options {
    bool unsafe; /* no fsync, for tests and the simulator: survives the death of the process
                    only */
};

/* Where a new study comes from. Texts are copied. */
struct esp_store_origin {
    const char *file; /* path of the study file as given, for messages; may be NULL */
    const char *base; /* absolute folder to which relative paths of the study refer */
    uint64_t nonce;   /* random; distinguishes peers of this study from those of another */
    int64_t time_ms;
};

/* Creates DIR if it does not exist (one level) and locks it until `fd` is closed or the process
 * dies. A lock file left by a dead process does not matter. The pid of the holder is written
 * into the file. -EBUSY: in use, the message names the pid; -EACCES, -EROFS, …: DIR cannot be
 * written. */
int esp_store_lock(const char *dir, int *fd, struct esp_error *error);

/* Whether a live process holds the lock of DIR, without taking it: 1 (then `pid`, if not NULL,
 * receives the pid of the holder, 0 when unknown), 0, or a negative errno. */
int esp_store_locked(const char *dir, pid_t *pid);

/* Whether DIR holds a non-empty database (a ledger or not): 1 or 0. An interrupted creation
 * leaves none. */
int esp_store_exists(const char *dir);

/* Creates the ledger of `study` in DIR and records its `source`. The study must outlive the
 * store. -EEXIST: DIR holds a ledger already; -ENOTSUP: a network filesystem; -EACCES, -ENOSPC…
 */
int esp_store_create(const char *dir,
                     const struct esp_study *study,
                     const struct esp_store_origin *origin,
                     const struct esp_store_options *options,
                     struct esp_store **out,
                     struct esp_error *error);

/* Opens an existing ledger, checks its identity and integrity, and migrates an older format
 * after writing a backup next to it. Before the first append the caller reads the study from
 * `esp_store_study_source` and passes it to `esp_store_bind`.
 * -ENOENT: there is none; -EINVAL: a database of another program; -ENOTSUP: written by a newer
 * espalier, or on a network filesystem; -EBADMSG: corrupt. */
int esp_store_open(const char *dir,
                   const struct esp_store_options *options,
                   struct esp_store **out,
                   struct esp_error *error);

/* Sets the study whose parameters name the values of CREATED events. It must outlive the store.
 * -EINVAL: its parameters, metric or goal differ from those that the ledger was created with.
 */
int esp_store_bind(struct esp_store *store,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Rolls back the open group and closes the store. Accepts NULL. */
void esp_store_close(struct esp_store *store);

/* Appends events to the open group, or begins a group, and updates the rows that depend on
 * them. Their seq must continue that of the ledger without gaps. A REPORT becomes a row of
 * `report`. If its (trial, step) has a row already, it is kept as an event and the row stays
 * unchanged. */
int esp_store_append(struct esp_store *store,
                     const struct esp_event *events,
                     size_t count,
                     struct esp_error *error);

/* Makes the open group durable. Returns 0 when there is none. */
int esp_store_commit(struct esp_store *store, struct esp_error *error);

/* Checkpoints the write-ahead log into the database once it has grown to 4 MiB, which takes
 * some milliseconds. Call it after the effects of a commit have been performed, so that no
 * acknowledgement waits for it. A commit checkpoints by itself only when the log has grown to
 * 16 MiB. A checkpoint that is not possible now is tried again later; a disk error is reported
 * by the next append. */
void esp_store_tidy(struct esp_store *store);

/* Rolls back the open group. */
void esp_store_rollback(struct esp_store *store);

/* Calls `each` for every committed event and report in seq order. A non-zero return stops the
 * load and is returned. The event and its strings are valid until `each` returns. No group may
 * be open. -EBADMSG: a gap in seq, or a row that does not decode. */
typedef int esp_store_each(void *context, const struct esp_event *event);
int esp_store_load(struct esp_store *store,
                   esp_store_each *each,
                   void *context,
                   struct esp_error *error);

/* Calls `each` with the path of every dropped checkpoint, except files that a kept checkpoint
 * uses. Such a file remains when the controller dies between the commit and the deletion. */
typedef int esp_store_each_path(void *context, const char *path);
int esp_store_dropped(struct esp_store *store,
                      esp_store_each_path *each,
                      void *context,
                      struct esp_error *error);

/* Whether the disk has room for a group again after an error that
 * esp_is_full_disk accepts. Writes filler of the size of a
 * group and rolls it back. 1, 0, or a negative errno. */
int esp_store_room(struct esp_store *store, struct esp_error *error);

/* Simulates a full disk for tests: the ledger may grow by `pages` of 4 KiB from its present
 * size; -1: no limit. */
void esp_store_quota(struct esp_store *store, int64_t pages);

/* Queries. */
uint64_t
esp_store_seq(const struct esp_store *store); /* of the last event, open group included */
uint64_t esp_store_nonce(const struct esp_store *store);
/* Ledger format when the study was created; migrations do not change it. */
int esp_store_begun_format(const struct esp_store *store);
const char *esp_store_study_source(const struct esp_store *store);
const char *esp_store_study_base(const struct esp_store *store);
const char *esp_store_study_file(const struct esp_store *store); /* "" when there is none */

#endif
