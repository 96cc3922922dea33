#include "process_identity.h"

#include "files.h"

#include <errno.h>
#include <espalier/limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <unistd.h>

static void read_boot(char out[ESP_BOOT_ID_SIZE])
{
    char text[64];
    out[0] = '\0';
    if (esp_files_read("/proc/sys/kernel/random/boot_id", text, sizeof text) >= 36) {
        memcpy(out, text, 36);
        out[36] = '\0';
    }
}

int esp_process_identity_read(pid_t pid, struct esp_process_identity *out, bool *zombie)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (esp_files_read(path, text, sizeof text) <= 0) {
        return -ESRCH;
    }
    /* "pid (name) state ppid …": the name may contain any character, so count the fields from
     * the last ')'. */
    char *p = strrchr(text, ')');
    if (!p || p[1] != ' ') {
        return -ESRCH;
    }
    p += 2;
    char state = *p;
    for (int field = 3; field < 22 && p; field++) {
        p = strchr(p, ' ');
        p = p ? p + 1 : NULL;
    }
    if (!p) {
        return -ESRCH;
    }
    out->pid = pid;
    out->start = strtoull(p, NULL, 10);
    read_boot(out->boot);
    if (zombie) {
        *zombie = state == 'Z' || state == 'X';
    }
    return 0;
}

int esp_process_identity_open(const struct esp_process_identity *identity)
{
    if (identity->pid <= 0) {
        return -ESRCH;
    }
    int fd = pidfd_open(identity->pid, 0); /* O_CLOEXEC always */
    if (fd < 0) {
        return -errno;
    }
    struct esp_process_identity now;
    bool zombie = false;
    if (esp_process_identity_read(identity->pid, &now, &zombie) < 0 || zombie ||
        now.start != identity->start || strcmp(now.boot, identity->boot) != 0) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}
