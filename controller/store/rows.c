/* Converts rows to events, for loading a ledger and for the readers. */
#include "internal.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t esp_column_id(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? -1
                                                           : sqlite3_column_int64(row, column);
}

double esp_column_real(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NAN
                                                           : sqlite3_column_double(row, column);
}

int esp_report_row(sqlite3_stmt *row, struct esp_event *event)
{
    *event = (struct esp_event){
        .kind = ESP_EVENT_REPORT,
        .trial = sqlite3_column_int64(row, 0),
        .report.point.step = sqlite3_column_int64(row, 1),
        .seq = (uint64_t)sqlite3_column_int64(row, 2),
        .attempt = (uint32_t)sqlite3_column_int64(row, 3),
        .report.point.tokens = sqlite3_column_int64(row, 4),
        .report.point.device_seconds = esp_column_real(row, 5),
        .report.point.value = esp_column_real(row, 6),
        .report.point.train_loss = esp_column_real(row, 7),
        .time_ms = sqlite3_column_int64(row, 8),
        .sequence = (uint64_t)sqlite3_column_int64(row, 9),
        .report.waiting = sqlite3_column_int(row, 10) != 0,
    };
    return sqlite3_column_int(row, 11);
}

/* SQLite's text pointers are valid only until the next step, so the names are copied. A first
 * pass computes the size of the block that holds all of them. */
int esp_measures_read(sqlite3_stmt *s, struct esp_event *event, struct esp_decoded *memory)
{
    size_t bytes = 0, used = 0;
    uint32_t count = 0;
    int rc;
    for (int pass = 0; pass < 2; pass++) {
        sqlite3_reset(s);
        sqlite3_bind_int64(s, 1, event->trial);
        sqlite3_bind_int64(s, 2, event->report.point.step);
        uint32_t i = 0;
        while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(s, 0);
            size_t size = (size_t)sqlite3_column_bytes(s, 0) + 1;
            if (pass == 0) {
                bytes += size;
                count++;
            } else if (name && i < count && used + size <= bytes) {
                memcpy(memory->strings + used, name, size);
                memory->measures[i].name = memory->strings + used;
                memory->measures[i++].value = esp_column_real(s, 1);
                used += size;
            }
        }
        if (rc != SQLITE_DONE) {
            sqlite3_reset(s);
            return rc;
        }
        if (pass == 0 && esp_decoded_reserve(memory, bytes, 0, count) < 0) {
            sqlite3_reset(s);
            return SQLITE_NOMEM;
        }
    }
    sqlite3_reset(s);
    event->report.point.measures = memory->measures;
    event->report.point.measure_count = count;
    return SQLITE_OK;
}

int esp_event_row(sqlite3_stmt *row, struct esp_decoded *memory, struct esp_event *event)
{
    const char *kind = (const char *)sqlite3_column_text(row, 2);
    const char *data = (const char *)sqlite3_column_text(row, 5);
    int number = kind ? esp_event_kind_parse(kind) : -1;
    if (number <= 0 || !data) {
        return -EBADMSG;
    }
    *event = (struct esp_event){
        .seq = (uint64_t)sqlite3_column_int64(row, 0),
        .time_ms = sqlite3_column_int64(row, 1),
        .kind = (enum esp_event_kind)number,
        .trial = esp_column_id(row, 3),
        .attempt = (uint32_t)sqlite3_column_int64(row, 4),
    };
    return esp_event_decode(data, (size_t)sqlite3_column_bytes(row, 5), memory, event);
}
