/* Loading: every event and report in the order of seq, for the fold that rebuilds a core.
 *
 * The table of events has that order; the table of reports is ordered by (trial, step). Sorting
 * a million reports in SQL, or following an index, takes longer than the rest of a resume, so
 * they are sorted here in one scan. Because seq has no gaps, a report's place is known when it
 * is read. Places are grouped into buckets of BUCKET_PLACES. Reports are written through a
 * small buffer per bucket to an unnamed file, where each bucket has a fixed offset. Then the
 * buckets are read back in turn and merged with the events. A study that fits one bucket needs
 * no file.
 *
 * Memory: one bucket (2^16 × 72 bytes = 4.5 MiB), and a buffer of 4.5 KiB per bucket: 10^7 rows
 * are 153 buckets, 0.7 MiB. The file is as large as the reports. When the disk has no room for
 * it, it is held in memory (memfd), because a full disk must not prevent a resume. */
#include "internal.h"
#include "scratch.h"
#include <errno.h>
#include <espalier/full_disk.h>
#include <espalier/plant.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKET_PLACES 65536u
#define BUFFER_ROWS 64u

struct row {
    uint64_t seq; /* 0: an empty place */
    int64_t step, tokens, time_ms;
    uint64_t sequence;
    double device_seconds, value, train_loss;
    uint32_t trial : 20, waiting : 1, measured : 1;
    uint32_t attempt;
};

_Static_assert(ESP_TRIALS_MAX <= 1 << 20, "struct row keeps a trial in 20 bits");
_Static_assert(sizeof(struct row) == 72, "the arithmetic above");

struct sorter {
    uint64_t last; /* seq runs from 1 to this */
    size_t bucket_count;
    struct row *places; /* of one bucket: BUCKET_PLACES */

    /* More than one bucket only. */
    int fd;
    struct row *buffers; /* bucket_count × BUFFER_ROWS */
    uint32_t *buffered;  /* rows waiting in each buffer */
    uint32_t *written;   /* rows of each bucket in the file */
};

static void release(struct sorter *sorter)
{
    if (sorter->fd >= 0) {
        close(sorter->fd);
    }
    free(sorter->places);
    free(sorter->buffers);
    free(sorter->buffered);
    free(sorter->written);
}

/* An unnamed file in DIR, or in memory. */
static int spill_file(const char *dir, bool in_memory)
{
    int fd = in_memory ? -1 : esp_scratch_open(dir);
    if (fd < 0) {
        fd = memfd_create("espalier-load", MFD_CLOEXEC);
    }
    return fd < 0 ? -errno : fd;
}

static int prepare(struct sorter *sorter, uint64_t last, const char *dir, bool in_memory)
{
    *sorter =
        (struct sorter){.last = last,
                        .bucket_count = (size_t)((last + BUCKET_PLACES - 1) / BUCKET_PLACES),
                        .fd = -1};
    sorter->places = calloc(BUCKET_PLACES, sizeof(struct row));
    if (!sorter->places) {
        return -ENOMEM;
    }
    if (sorter->bucket_count <= 1) {
        return 0;
    }
    sorter->buffers = malloc(sorter->bucket_count * BUFFER_ROWS * sizeof(struct row));
    sorter->buffered = calloc(sorter->bucket_count, sizeof(uint32_t));
    sorter->written = calloc(sorter->bucket_count, sizeof(uint32_t));
    if (!sorter->buffers || !sorter->buffered || !sorter->written) {
        return -ENOMEM;
    }
    sorter->fd = spill_file(dir, in_memory);
    return sorter->fd < 0 ? sorter->fd : 0;
}

static off_t place_of(size_t bucket, uint32_t row)
{
    return (off_t)((bucket * (uint64_t)BUCKET_PLACES + row) * sizeof(struct row));
}

static int flush(struct sorter *sorter, size_t bucket)
{
    const struct row *rows = sorter->buffers + bucket * BUFFER_ROWS;
    size_t size = sorter->buffered[bucket] * sizeof(struct row);
    if (sorter->written[bucket] + sorter->buffered[bucket] > BUCKET_PLACES) {
        return -EBADMSG; /* more rows than places: a seq occurs twice */
    }
    ssize_t done = pwrite(sorter->fd, rows, size, place_of(bucket, sorter->written[bucket]));
    if (done != (ssize_t)size) {
        return done < 0 ? -errno : -ENOSPC;
    }
    sorter->written[bucket] += sorter->buffered[bucket];
    sorter->buffered[bucket] = 0;
    return 0;
}

/* Puts a row at its place in the bucket that is in memory; -EBADMSG: the place is taken. */
static int place_row(struct sorter *sorter, const struct row *row)
{
    struct row *place = &sorter->places[(row->seq - 1) % BUCKET_PLACES];
    if (place->seq) {
        return -EBADMSG;
    }
    *place = *row;
    return 0;
}

static int add(struct sorter *sorter, const struct row *row)
{
    if (row->seq == 0 || row->seq > sorter->last) {
        return -EBADMSG;
    }
    if (sorter->bucket_count == 1) {
        return place_row(sorter, row);
    }
    size_t bucket = (size_t)((row->seq - 1) / BUCKET_PLACES);
    sorter->buffers[bucket * BUFFER_ROWS + sorter->buffered[bucket]++] = *row;
    return sorter->buffered[bucket] == BUFFER_ROWS ? flush(sorter, bucket) : 0;
}

/* Reads a bucket into memory. */
static int read_bucket(struct sorter *sorter, size_t bucket)
{
    struct row *rows = sorter->buffers + bucket * BUFFER_ROWS;
    int code = 0;
    if (sorter->bucket_count == 1) {
        return 0;
    }
    memset(sorter->places, 0, BUCKET_PLACES * sizeof(struct row));
    for (uint32_t i = 0; code == 0 && i < sorter->buffered[bucket]; i++) {
        code = place_row(sorter, &rows[i]);
    }
    for (uint32_t done = 0; code == 0 && done < sorter->written[bucket]; done += BUFFER_ROWS) {
        ssize_t size = BUFFER_ROWS * sizeof(struct row); /* only full buffers are written */
        if (pread(sorter->fd, rows, (size_t)size, place_of(bucket, done)) != size) {
            return -EIO;
        }
        for (uint32_t i = 0; code == 0 && i < BUFFER_ROWS; i++) {
            code = place_row(sorter, &rows[i]);
        }
    }
    return code;
}

static struct row row_of(const struct esp_event *event, bool measured)
{
    return (struct row){
        .seq = event->seq,
        .step = event->report.point.step,
        .tokens = event->report.point.tokens,
        .time_ms = event->time_ms,
        .sequence = event->sequence,
        .device_seconds = event->report.point.device_seconds,
        .value = event->report.point.value,
        .train_loss = event->report.point.train_loss,
        .trial = (uint32_t)event->trial & (ESP_TRIALS_MAX - 1),
        .waiting = event->report.waiting,
        .measured = measured,
        .attempt = event->attempt,
    };
}

static struct esp_event event_of(const struct row *row)
{
    return (struct esp_event){
        .seq = row->seq,
        .time_ms = row->time_ms,
        .kind = ESP_EVENT_REPORT,
        .trial = row->trial,
        .attempt = row->attempt,
        .sequence = row->sequence,
        .report = {.point = {.step = row->step,
                             .tokens = row->tokens,
                             .device_seconds = row->device_seconds,
                             .value = row->value,
                             .train_loss = row->train_loss},
                   .waiting = row->waiting},
    };
}

/* Reads all reports into the sorter. Negative errno, or the SQLite result in `rc`. */
static int gather(struct esp_store *store, struct sorter *sorter, int *rc)
{
    sqlite3_stmt *s = NULL;
    int code = 0;
    *rc = sqlite3_prepare_v2(
        store->db, "SELECT " ESP_REPORT_COLUMNS " FROM report", -1, &s, NULL);
    while (*rc == SQLITE_OK && code == 0 && (*rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct esp_event event;
        bool measured = esp_report_row(s, &event) > 0;
        if (event.trial < 0 || event.trial >= ESP_TRIALS_MAX) {
            code = -EBADMSG;
        } else {
            struct row row = row_of(&event, measured);
            code = add(sorter, &row);
        }
        *rc = SQLITE_OK;
    }
    if (*rc == SQLITE_DONE) {
        *rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return code;
}

struct merge {
    struct esp_store *store;
    sqlite3_stmt *events, *measures;
    struct esp_decoded memory;
    esp_store_each *each;
    void *context;
    uint64_t seq; /* of the present event, for messages */
    int rc;       /* of SQLite, when it failed */
    bool stopped; /* `each` did not return 0 */
};

static int deliver(struct merge *merge, const struct esp_event *event)
{
    int code = merge->each(merge->context, event);
    merge->stopped = code != 0;
    return code;
}

static int pass_on_report(struct merge *merge, const struct row *row)
{
    struct esp_event event = event_of(row);
    if (row->measured) {
        merge->rc = esp_measures_read(merge->measures, &event, &merge->memory);
        if (merge->rc != SQLITE_OK) {
            return -EIO;
        }
    }
    return deliver(merge, &event);
}

/* Passes on the next event, which must have this seq. */
static int pass_on_event(struct merge *merge, uint64_t seq)
{
    struct esp_event event;
    int rc = sqlite3_step(merge->events);
    if (rc != SQLITE_ROW) {
        merge->rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        return -EBADMSG;
    }
    int code = esp_event_row(merge->events, &merge->memory, &event);
    if (code == 0 && event.seq != seq) {
        code = -EBADMSG;
    }
    return code < 0 ? code : deliver(merge, &event);
}

static int pass_on(struct merge *merge, struct sorter *sorter)
{
    for (size_t bucket = 0; bucket < sorter->bucket_count; bucket++) {
        uint64_t first = bucket * (uint64_t)BUCKET_PLACES + 1;
        int code = read_bucket(sorter, bucket);
        if (code < 0) {
            return code;
        }
        for (uint32_t i = 0; i < BUCKET_PLACES && first + i <= sorter->last; i++) {
            struct row *row = &sorter->places[i];
            if (ESP_PLANT("store-load-misordered") && i % 16 == 0 && i + 1 < BUCKET_PLACES &&
                row[0].seq && row[1].seq) {
                struct row other = row[0];
                row[0] = row[1];
                row[1] = other;
            }
            merge->seq = first + i;
            code = row->seq ? pass_on_report(merge, row) : pass_on_event(merge, first + i);
            if (code != 0) {
                return code;
            }
        }
    }
    return 0;
}

static int
fail(struct esp_store *store, const struct merge *merge, int code, struct esp_error *error)
{
    if (merge->rc != SQLITE_OK) {
        return esp_database_fail(store->db, merge->rc, store->path, "be read", error);
    }
    switch (code) {
    case -EBADMSG:
        return esp_error_set(error,
                             code,
                             "%s: the ledger is damaged: event %llu is missing or cannot be "
                             "read; move the file away and restore a backup",
                             store->path,
                             (unsigned long long)merge->seq);
    case -ENOMEM:
        return esp_error_set(error, code, "out of memory while reading %s", store->path);
    default:
        return esp_error_set(error, code, "cannot sort %s: %s", store->path, strerror(-code));
    }
}

static int merge_all(struct merge *merge, struct sorter *sorter)
{
    sqlite3 *db = merge->store->db;
    merge->rc = sqlite3_prepare_v2(
        db, "SELECT " ESP_EVENT_COLUMNS " FROM event ORDER BY seq", -1, &merge->events, NULL);
    if (merge->rc == SQLITE_OK) {
        merge->rc = sqlite3_prepare_v2(db, ESP_MEASURES_SQL, -1, &merge->measures, NULL);
    }
    int code = merge->rc == SQLITE_OK ? pass_on(merge, sorter) : -EIO;
    if (code == 0 && sqlite3_step(merge->events) == SQLITE_ROW) {
        code = -EBADMSG; /* an event beyond the last seq */
    }
    sqlite3_finalize(merge->events);
    sqlite3_finalize(merge->measures);
    esp_decoded_release(&merge->memory);
    return code;
}

static int collect(struct esp_store *store, struct sorter *sorter, bool in_memory, int *rc)
{
    int code = prepare(sorter, store->committed, store->dir, in_memory);
    return code < 0 ? code : gather(store, sorter, rc);
}

int esp_store_load(struct esp_store *store,
                   esp_store_each *each,
                   void *context,
                   struct esp_error *error)
{
    struct merge merge = {.store = store, .each = each, .context = context};
    struct sorter sorter;
    if (store->broken < 0 || store->open) {
        return esp_error_set(error,
                             store->broken < 0 ? store->broken : -EINVAL,
                             "%s: cannot be loaded now",
                             store->path);
    }
    int code = collect(store, &sorter, false, &merge.rc);
    if (esp_is_full_disk(code)) {
        release(&sorter);
        code = collect(store, &sorter, true, &merge.rc);
    }
    if (code == 0 && merge.rc == SQLITE_OK) {
        code = merge_all(&merge, &sorter);
    }
    release(&sorter);
    if (merge.stopped) {
        return code;
    }
    return code < 0 || merge.rc != SQLITE_OK ? fail(store, &merge, code, error) : 0;
}
