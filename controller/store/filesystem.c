/* Refuses network filesystems for the ledger.
 *
 * WAL needs memory shared between processes and reliable locks. Network filesystems provide
 * neither, so two hosts could each become the writer. The list names what is refused, not what
 * is allowed, so that new local filesystems work. Overlay and 9p are allowed, because
 * containers and virtual machines present local disks through them. FUSE serves both local and
 * network filesystems, so there the type of the mount decides ("fuse.sshfs"). */
#include "database.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

/* From linux/magic.h and the headers of the filesystems. */
static const struct {
    unsigned long type;
    const char *name;
} network[] = {
    {0x6969, "NFS"},
    {0x517b, "SMB"},
    {0xff534d42, "CIFS"},
    {0xfe534d42, "SMB2"},
    {0x564c, "NCP"},
    {0x5346414f, "AFS"},
    {0x6b414653, "AFS"},
    {0x73757245, "Coda"},
    {0x00c36400, "Ceph"},
    {0x0bd00bd0, "Lustre"},
    {0x47504653, "GPFS"},
    {0x19830326, "BeeGFS"},
    {0xaad7aaea, "PanFS"},
    {0x01161970, "GFS2"},
    {0x7461636f, "OCFS2"},
    {0x20030528, "OrangeFS"},
    {0x013111a8, "IBRIX"},
};

#define FUSE 0x65735546ul

static const char *const network_fuse[] = {
    "sshfs",
    "glusterfs",
    "s3fs",
    "gcsfuse",
    "rclone",
    "goofys",
    "ceph",
    "mfs",
    "lizard",
    "juicefs",
    "mount-s3",
    "blobfuse",
    "davfs",
    "curlftpfs",
    "hdfs",
    "weka",
    "smb",
};

const char *esp_filesystem_refused(unsigned long type, const char *name)
{
    for (size_t i = 0; i < sizeof network / sizeof network[0]; i++) {
        if (network[i].type == type) {
            return network[i].name;
        }
    }
    if (type != FUSE) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof network_fuse / sizeof network_fuse[0]; i++) {
        if (strstr(name, network_fuse[i])) {
            return network_fuse[i];
        }
    }
    return NULL;
}

/* Reads the type of the mount that a device number belongs to from /proc/self/mountinfo, whose
 * lines read "36 35 98:0 /root /mnt options - ext4 …" (proc(5)). "" when it is not listed. */
static void mount_type(dev_t device, char *name, size_t size)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[ESP_PATH_MAX];
    name[0] = '\0';
    while (file && !name[0] && fgets(line, sizeof line, file)) {
        unsigned major_number, minor_number;
        const char *dash = strstr(line, " - ");
        if (dash && sscanf(line, "%*d %*d %u:%u", &major_number, &minor_number) == 2 &&
            makedev(major_number, minor_number) == device) {
            size_t length = strcspn(dash + 3, " ");
            snprintf(name, size, "%.*s", (int)length, dash + 3);
        }
    }
    if (file) {
        fclose(file);
    }
}

int esp_filesystem_check(const char *dir, struct esp_error *error)
{
    struct statfs filesystem;
    struct stat status;
    if (statfs(dir, &filesystem) < 0 || stat(dir, &status) < 0) {
        int code = -errno;
        return esp_error_set(error, code, "%s: %m", dir);
    }
    char name[64];
    mount_type(status.st_dev, name, sizeof name);
    const char *refused =
        esp_filesystem_refused((unsigned long)filesystem.f_type & 0xfffffffful, name);
    if (refused) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "%s: on a network filesystem (%s), where a database is not safe; "
                             "name a folder on a local disk with --dir",
                             dir,
                             refused);
    }
    return 0;
}
