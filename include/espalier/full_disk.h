/* Which errors mean that a file cannot grow at present. They are the disk's trouble, not the
 * trial's: nothing is lost, and the work continues when there is room. */
#ifndef ESPALIER_FULL_DISK_H
#define ESPALIER_FULL_DISK_H

#include <errno.h>
#include <stdbool.h>

/* `code` is a negative errno: a full disk, a spent quota, or a file that has reached the limit
 * on file sizes. The last one requires that SIGXFSZ is ignored; the programs' main functions do
 * that. */
static inline bool esp_is_full_disk(int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EFBIG;
}

/* What a person can do about it; "" for other errors. */
static inline const char *esp_full_disk_remedy(int code)
{
    if (code == -EFBIG) {
        return "; raise the limit on file sizes (ulimit -f), or use a disk that holds larger "
               "files";
    }
    return esp_is_full_disk(code) ? "; free some disk space" : "";
}

#endif
