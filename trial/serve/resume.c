#include "resume.h"

#include "../checkpoint_format.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Checkpoints of one trial that are tried: the controller keeps few, but a crash may leave
 * more. */
#define CANDIDATES_MAX 64

void esp_checkpoint_path(uint32_t trial,
                         uint32_t attempt,
                         int64_t tokens,
                         char out[ESP_CHECKPOINT_PATH_MAX])
{
    int n = snprintf(out,
                     ESP_CHECKPOINT_PATH_MAX,
                     "checkpoints/%" PRIu32 "/%" PRIu32 "-%" PRId64,
                     trial,
                     attempt,
                     tokens);
    assert(n > 0 && n < ESP_CHECKPOINT_PATH_MAX); /* 12 + 10 + 1 + 10 + 1 + 20 */
}

static int join_path(const char *dir, const char *path, char out[ESP_PATH_MAX])
{
    int n = snprintf(out, ESP_PATH_MAX, "%s/%s", dir, path);
    return n > 0 && n < ESP_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Makes one folder and syncs its name to disk. */
static int make_folder(const char *parent, const char *path, struct esp_error *error)
{
    if (mkdir(path, 0777) < 0) {
        int code = -errno;
        return code == -EEXIST
                   ? 0
                   : esp_error_set(error, code, "cannot make '%s': %s", path, strerror(-code));
    }
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc == 0 ? 0
                   : esp_error_set(error, rc, "cannot sync '%s': %s", parent, strerror(-rc));
}

int esp_checkpoint_make_folder(const char *dir, uint32_t trial, struct esp_error *error)
{
    char parent[ESP_PATH_MAX], folder[ESP_PATH_MAX], name[32];
    snprintf(name, sizeof name, "checkpoints/%" PRIu32, trial);
    if (join_path(dir, "checkpoints", parent) < 0 || join_path(dir, name, folder) < 0) {
        return esp_error_set(error, -ENAMETOOLONG, "the path '%s' is too long", dir);
    }
    int rc = make_folder(dir, parent, error);
    return rc == 0 ? make_folder(parent, folder, error) : rc;
}

/* -EBADMSG when the file is a checkpoint, but not the recorded one. A file that is not a
 * checkpoint passes: esp_group_join reports it. */
static int check_hash(const char *path, uint64_t expected, struct esp_error *error)
{
    struct checkpoint_fixed fixed = {.header_bytes = 0};
    uint64_t hash = expected;
    int fd = esp_regular_file_open(path, O_RDONLY, NULL);
    if (fd < 0) {
        return 0;
    }
    /* The header ends with its checksum, which identifies the content. */
    if (pread(fd, &fixed, sizeof fixed, 0) == (ssize_t)sizeof fixed &&
        fixed.header_bytes >= sizeof fixed + sizeof hash &&
        pread(fd, &hash, sizeof hash, (off_t)(fixed.header_bytes - sizeof hash)) !=
            (ssize_t)sizeof hash) {
        hash = expected;
    }
    close(fd);
    if (hash == expected) {
        return 0;
    }
    return esp_error_set(error,
                         -EBADMSG,
                         "%s: its hash is %016" PRIx64 ", not %016" PRIx64 " as recorded",
                         path,
                         hash,
                         expected);
}

/* Whether to try an older checkpoint after this error. */
static bool is_unreadable(int rc)
{
    return rc == -EBADMSG || rc == -ENOENT || rc == -EIO || rc == -EACCES || rc == -EISDIR ||
           rc == -ENOTDIR || rc == -ELOOP;
}

static int join_named(struct esp_group *group,
                      int slot,
                      const struct esp_trainer *trainer,
                      const char *dir,
                      const struct esp_assign *assign,
                      struct esp_error *error)
{
    char path[ESP_PATH_MAX];
    if (join_path(dir, assign->resume, path) < 0) {
        return esp_error_set(error, -ENOENT, "the path '%s' is too long", assign->resume);
    }
    int rc = assign->resume_hash ? check_hash(path, assign->resume_hash, error) : 0;
    return rc == 0 ? esp_group_join(group, slot, trainer, path, error) : rc;
}

struct candidate {
    uint32_t attempt;
    int64_t tokens;
};

static int newest_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->tokens != y->tokens) {
        return x->tokens < y->tokens ? 1 : -1;
    }
    return x->attempt < y->attempt ? 1 : x->attempt > y->attempt ? -1 : 0;
}

/* Lists the other checkpoints of the trial with at most as many tokens as the recorded one,
 * newest first. */
static int
list_candidates(const char *dir, const struct esp_assign *assign, struct candidate *out)
{
    char name[32], folder[ESP_PATH_MAX];
    int count = 0;
    snprintf(name, sizeof name, "checkpoints/%" PRIu32, assign->trial);
    DIR *listing = join_path(dir, name, folder) == 0 ? opendir(folder) : NULL;
    if (!listing) {
        return 0;
    }
    for (const struct dirent *e; count < CANDIDATES_MAX && (e = readdir(listing));) {
        char path[ESP_CHECKPOINT_PATH_MAX];
        struct candidate c;
        int used = 0;
        if (sscanf(e->d_name, "%" SCNu32 "-%" SCNd64 "%n", &c.attempt, &c.tokens, &used) != 2 ||
            e->d_name[used] != '\0' || c.tokens < 0 || c.tokens > assign->resume_tokens) {
            continue;
        }
        esp_checkpoint_path(assign->trial, c.attempt, c.tokens, path);
        if (strcmp(path, assign->resume) != 0) {
            out[count++] = c;
        }
    }
    closedir(listing);
    qsort(out, (size_t)count, sizeof *out, newest_first);
    return count;
}

int esp_resume_join(struct esp_group *group,
                    int slot,
                    const struct esp_trainer *trainer,
                    const char *dir,
                    const struct esp_assign *assign,
                    char fell_back[ESP_MESSAGE_TEXT_MAX],
                    struct esp_error *error)
{
    struct candidate candidates[CANDIDATES_MAX];
    struct esp_error why = {""};
    fell_back[0] = '\0';
    if (!assign->resume) {
        return esp_group_join(group, slot, trainer, NULL, error);
    }
    int rc = join_named(group, slot, trainer, dir, assign, &why);
    if (!is_unreadable(rc)) {
        esp_error_set(error, rc, "%s", why.text);
        return rc;
    }
    int count = list_candidates(dir, assign, candidates);
    for (int i = 0; i < count; i++) {
        char name[ESP_CHECKPOINT_PATH_MAX], path[ESP_PATH_MAX];
        esp_checkpoint_path(assign->trial, candidates[i].attempt, candidates[i].tokens, name);
        if (join_path(dir, name, path) == 0 &&
            esp_group_join(group, slot, trainer, path, NULL) == 0) {
            snprintf(
                fell_back, ESP_MESSAGE_TEXT_MAX, "%.1900s; resumed from %s", why.text, name);
            return 0;
        }
    }
    rc = esp_group_join(group, slot, trainer, NULL, error);
    if (rc == 0) {
        snprintf(fell_back, ESP_MESSAGE_TEXT_MAX, "%.1900s; started again", why.text);
    }
    return rc;
}
