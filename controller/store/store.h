/* The ledger's one writer: DIR/study.db (DESIGN 5; the format is told in schema.c).
 *
 * Rules it keeps:
 *   - Only the process that holds DIR/lock opens a store; readers use reader.h.
 *   - What `esp_store_commit` returned 0 for survives kill -9 and power loss (WAL,
 *     synchronous=FULL). Nothing else may be acknowledged.
 *   - Appends gather in one open transaction, the group. Whenever append or commit fails, the
 *     whole group is rolled back: the ledger is as after the last successful commit, and so is
 *     `esp_store_seq`. The caller drops the group's effects and rebuilds its core.
 *   - Whether the store goes on after a failure depends on the code:
 *       -ENOSPC  full disk: usable again at once, appends may work when there is room
 *                (esp_store_room)
 *       -EBUSY   another program wrote to the file: usable, try again
 *       -EINVAL  events out of order or a field that cannot be kept: usable, a caller's bug
 *       -EIO, -EBADMSG, others: a write was refused by the disk or the file is damaged. Every
 *                later call fails alike; close, open (which verifies) and load again.
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
    bool unsafe; /* tests and the simulator: no fsync. Survives a process's death only */
};

/* What a new ledger begins with. Text is copied. */
struct esp_store_origin {
    const char *file; /* the study file's path as named, for people; may be NULL */
    const char *base; /* absolute folder that the study's relative paths start at */
    uint64_t nonce;   /* random: tells this study's peers from another's */
    int64_t time_ms;
};

/* Makes sure DIR exists (one level is made) and holds it for this process until `fd` is closed
 * or the process dies; a lock file left behind by a dead process is no obstacle. The holder's
 * pid is written into it. -EBUSY: in use, the error names the pid; -EACCES, -EROFS, …: DIR
 * cannot be written. */
int esp_store_lock(const char *dir, int *fd, struct esp_error *error);

/* Whether a live process holds DIR, without taking or disturbing the lock: 1 (then `pid`, if
 * not NULL, is the holder's, 0 when unknown), 0, or negative errno. */
int esp_store_locked(const char *dir, pid_t *pid);

/* Whether DIR holds a ledger with content (ours or not): 1 or 0. A creation that was cut off
 * leaves none. */
int esp_store_exists(const char *dir);

/* Begins the ledger of `study` (whose `source` is kept) in DIR. The study must outlive the
 * store. -EEXIST: DIR holds one already; -ENOTSUP: a network filesystem; -EACCES, -ENOSPC… */
int esp_store_create(const char *dir,
                     const struct esp_study *study,
                     const struct esp_store_origin *origin,
                     const struct esp_store_options *options,
                     struct esp_store **out,
                     struct esp_error *error);

/* Opens an existing ledger: checks whose it is and that it is whole, migrates an older version
 * (after a backup beside it). Before the first append the study, read from
 * `esp_store_study_source`, is given with `esp_store_bind`.
 * -ENOENT: none there; -EINVAL: another program's database; -ENOTSUP: written by a newer
 * espalier, or on a network filesystem; -EBADMSG: corrupt. */
int esp_store_open(const char *dir,
                   const struct esp_store_options *options,
                   struct esp_store **out,
                   struct esp_error *error);

/* The study whose parameters name the values of CREATED events; must outlive the store.
 * -EINVAL: its parameters, metric or goal are not those the ledger was begun with. */
int esp_store_bind(struct esp_store *store,
                   const struct esp_study *study,
                   struct esp_error *error);

/* Rolls the open group back and closes. Takes NULL. */
void esp_store_close(struct esp_store *store);

/* Adds events, whose seq must continue the ledger's without gaps, to the open group (begins one
 * when none is open), together with the rows that fold from them. A REPORT becomes a row of
 * `report`; one for a (trial, step) that has a row already stays an event and does not change
 * that row. */
int esp_store_append(struct esp_store *store,
                     const struct esp_event *events,
                     size_t count,
                     struct esp_error *error);

/* Makes the open group durable. 0 when there is none. */
int esp_store_commit(struct esp_store *store, struct esp_error *error);

/* Copies the write-ahead log into the database when it has grown to 4 MiB: some milliseconds of
 * disk. Call it after a commit's effects have been performed, so that no acknowledgement waits
 * for it; a commit does it itself only when nobody has for long. What it cannot do now it does
 * later; a failing disk shows at the next append. */
void esp_store_tidy(struct esp_store *store);

/* Drops the open group. */
void esp_store_rollback(struct esp_store *store);

/* Calls `each` for every committed event and report in seq order; a non-zero return stops the
 * load and is returned. The event and its strings live until `each` returns. No group may be
 * open. -EBADMSG: a gap, or a row that does not decode. */
typedef int esp_store_each(void *context, const struct esp_event *event);
int esp_store_load(struct esp_store *store,
                   esp_store_each *each,
                   void *context,
                   struct esp_error *error);

/* Calls `each` with the path of every checkpoint that was dropped (a file of a kept one is
 * never among them): a death between the commit and the deletion leaves the file behind. */
typedef int esp_store_each_path(void *context, const char *path);
int esp_store_dropped(struct esp_store *store,
                      esp_store_each_path *each,
                      void *context,
                      struct esp_error *error);

/* Whether the disk takes a group again after -ENOSPC: writes and rolls back a filler of a
 * group's size. 1 or 0, or negative errno. */
int esp_store_room(struct esp_store *store, struct esp_error *error);

/* Tests and the simulator: a full disk. The ledger may grow by `pages` of 4 KiB from its
 * present size; -1: without limit. */
void esp_store_quota(struct esp_store *store, int64_t pages);

/* Queries. */
uint64_t esp_store_seq(const struct esp_store *store); /* last, the open group included */
uint64_t esp_store_nonce(const struct esp_store *store);
/* Of the ledger when the study was begun: migrations leave it. */
int esp_store_begun_format(const struct esp_store *store);
const char *esp_store_study_source(const struct esp_store *store);
const char *esp_store_study_base(const struct esp_store *store);
const char *esp_store_study_file(const struct esp_store *store); /* "" when none was named */

#endif
