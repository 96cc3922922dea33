#include "cpu_affinity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int esp_cpu_affinity_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) < 0) {
        return 1;
    }
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}

/* Number of the nth usable core, or -1. */
static int nth_core(const cpu_set_t *usable, int n)
{
    for (int core = 0; core < CPU_SETSIZE; core++) {
        if (CPU_ISSET(core, usable) && n-- == 0) {
            return core;
        }
    }
    return -1;
}

static int reserve(const char *folder, int core)
{
    char path[512];
    if (snprintf(path, sizeof path, "%s/core-%d", folder, core) >= (int)sizeof path) {
        return -ENAMETOOLONG;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int code = -errno;
        close(fd);
        return code;
    }
    return fd;
}

int esp_cpu_affinity_claim(uint32_t slot, cpu_set_t *set)
{
    cpu_set_t usable;
    if (sched_getaffinity(0, sizeof usable, &usable) < 0) {
        return -errno;
    }
    int count = CPU_COUNT(&usable);
    char folder[400];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!runtime || runtime[0] != '/' ||
        snprintf(folder, sizeof folder, "%s/espalier", runtime) >= (int)sizeof folder ||
        (mkdir(folder, 0700) < 0 && errno != EEXIST)) {
        snprintf(folder, sizeof folder, "/tmp/espalier-%u", (unsigned)getuid());
        struct stat status;
        if ((mkdir(folder, 0700) < 0 && errno != EEXIST) || lstat(folder, &status) < 0 ||
            !S_ISDIR(status.st_mode) || status.st_uid != getuid()) {
            return -EACCES; /* the folder belongs to another user */
        }
    }
    for (int i = 0; i < count; i++) {
        int core = nth_core(&usable, (int)((slot + (uint32_t)i) % (uint32_t)count));
        int fd = reserve(folder, core);
        if (fd >= 0) {
            CPU_ZERO(set);
            CPU_SET(core, set);
            return fd;
        }
    }
    return -EBUSY;
}
