/* The durable process table: one small text file per process key in DIR/agent/processes.
 *
 *     espalier-process 1
 *     key 7
 *     pid 4711
 *     start 123456            field 22 of /proc/PID/stat
 *     boot 0b6f…              /proc/sys/kernel/random/boot_id
 *     slot 0
 *     asked 0                 1: a Kill for it came
 *     ended 0                 1: it has ended, and the next two lines say how
 *     status -1               exit status, -1: none or unknown
 *     signal 9                0: none or unknown
 *
 * Written by temp → fsync → rename before the process runs a single instruction of its program,
 * and removed once the controller has recorded its end (EXITED_ACK). An agent that starts reads
 * the folder and adopts what its predecessor left. */
#ifndef ESPALIER_AGENT_PROCESS_RECORD_H
#define ESPALIER_AGENT_PROCESS_RECORD_H

#include "../system/process_identity.h"

struct esp_process_record {
    uint64_t key;
    struct esp_process_identity identity;
    uint32_t slot;
    bool asked;
    bool ended;
    int32_t status;
    int32_t signal;
};

/* Format and its inverse; -EBADMSG for a file that is not whole. `size` of 512 is enough. */
int esp_process_record_print(const struct esp_process_record *record, char *out, size_t size);
int esp_process_record_parse(const char *text, struct esp_process_record *out);

/* DIR/agent/processes/KEY. -errno. */
int esp_process_record_write(const char *dir,
                             const struct esp_process_record *record,
                             struct esp_error *error);
int esp_process_record_remove(const char *dir, uint64_t key);

/* Every record in DIR, by key. A damaged one is set aside as KEY.damaged and left out. A
 * non-zero return of `each` stops. */
typedef int esp_process_record_each(void *context, const struct esp_process_record *record);
int esp_process_record_list(const char *dir,
                            esp_process_record_each *each,
                            void *context,
                            struct esp_error *error);

#endif
