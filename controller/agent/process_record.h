/* The process table on disk: one small text file per process key in DIR/agent/processes.
 *
 *     espalier-process 1
 *     key 7
 *     pid 4711
 *     start 123456            field 22 of /proc/PID/stat
 *     boot 0b6f…              /proc/sys/kernel/random/boot_id
 *     slot 0
 *     asked 0                 1: a Kill was received for it
 *     ended 0                 1: it has exited, as the next two lines say
 *     status -1               exit status; -1: none or unknown
 *     signal 9                signal that ended it; 0: none or unknown
 *
 * A record is on disk before the process runs its program. It is removed once the controller
 * has recorded the exit (EXITED_ACK). An agent that starts reads the folder and adopts the
 * processes of its predecessor. */
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

/* Prints a record (512 bytes are enough) and parses it. -EBADMSG: the text is incomplete or not
 * a record. */
int esp_process_record_print(const struct esp_process_record *record, char *out, size_t size);
int esp_process_record_parse(const char *text, struct esp_process_record *out);

/* Writes and removes DIR/agent/processes/KEY. -errno. */
int esp_process_record_write(const char *dir,
                             const struct esp_process_record *record,
                             struct esp_error *error);
int esp_process_record_remove(const char *dir, uint64_t key);

/* Calls `each` with every record in DIR, in the order of their keys, until it returns a
 * non-zero value, which is returned. A damaged file is renamed to KEY.damaged and skipped. */
typedef int esp_process_record_each(void *context, const struct esp_process_record *record);
int esp_process_record_list(const char *dir,
                            esp_process_record_each *each,
                            void *context,
                            struct esp_error *error);

#endif
