/* Finds files by glob(3), which has no `**`. A pattern with `**` between two parts stands for
 * its second part in every folder that the first part matches, and in every folder below it;
 * the second part may contain further `**`. Symbolic links are not followed there, because they
 * may form circles.
 *
 * A search is bounded: every folder entry that it reads, glob(3) included, counts towards
 * ESP_CORPUS_ENTRIES_MAX. glob(3) passes no context to the functions that read folders, so the
 * count of the search of a thread is thread-local. */
#include <dirent.h>
#include <errno.h>
#include <espalier/corpus.h>
#include <espalier/limits.h>
#include <fcntl.h>
#include <glob.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct finder {
    struct esp_corpus_files *files;
    size_t room;
    const char *pattern;
    struct esp_error *error;
};

/* Entries that the present search may still read; -1: it needed more. */
static _Thread_local int64_t entries_left;

static struct dirent *read_entry(void *folder)
{
    if (entries_left <= 0) {
        entries_left = -1;
        return NULL;
    }
    entries_left--;
    return readdir(folder);
}

static void *open_folder(const char *path)
{
    return entries_left < 0 ? NULL : opendir(path);
}

static void close_folder(void *folder)
{
    closedir(folder);
}

static int refuse_entries(const struct finder *f)
{
    return esp_error_set(f->error,
                         -E2BIG,
                         "trainer.data: the search for '%s' was stopped after %d folder "
                         "entries; begin the pattern with a folder that holds fewer files",
                         f->pattern,
                         ESP_CORPUS_ENTRIES_MAX);
}

/* glob(3) with bounded reading of folders. 0: `found` is set and the caller releases it, also
 * when nothing matches. */
static int search_glob(const struct finder *f, const char *pattern, int flags, glob_t *found)
{
    *found = (glob_t){
        .gl_opendir = open_folder,
        .gl_readdir = read_entry,
        .gl_closedir = close_folder,
        .gl_stat = stat,
        .gl_lstat = lstat,
    };
    int rc = glob(pattern, flags | GLOB_NOSORT | GLOB_ALTDIRFUNC, NULL, found);
    if (entries_left < 0) {
        rc = refuse_entries(f);
    } else if (rc == GLOB_NOSPACE) {
        rc = esp_error_set(
            f->error, -ENOMEM, "trainer.data: no memory to search '%s'", f->pattern);
    } else if (rc == GLOB_NOMATCH) {
        rc = 0;
    } else if (rc != 0) {
        rc = esp_error_set(f->error, -EIO, "trainer.data: cannot search for '%s'", pattern);
    }
    if (rc < 0) {
        globfree(found);
    }
    return rc;
}

static int collect(struct finder *f, const char *path)
{
    if (f->files->count == ESP_CORPUS_FILES_MAX) {
        return esp_error_set(
            f->error,
            -E2BIG,
            "trainer.data: '%s' matches more than %d files; join them into fewer",
            f->pattern,
            ESP_CORPUS_FILES_MAX);
    }
    if (f->files->count == f->room) {
        size_t room = f->room ? 2 * f->room : 64;
        char **paths = realloc(f->files->paths, room * sizeof *paths);
        if (!paths) {
            return esp_error_set(
                f->error, -ENOMEM, "trainer.data: no memory for %zu file names", room);
        }
        f->files->paths = paths;
        f->room = room;
    }
    char *copy = strdup(path);
    if (!copy) {
        return esp_error_set(f->error, -ENOMEM, "trainer.data: no memory for file names");
    }
    f->files->paths[f->files->count++] = copy;
    return 0;
}

static int find_plain(struct finder *f, const char *pattern)
{
    glob_t found;
    int rc = search_glob(f, pattern, 0, &found);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) {
        struct stat status;
        if (stat(found.gl_pathv[i], &status) == 0 && S_ISREG(status.st_mode)) {
            rc = collect(f, found.gl_pathv[i]);
        }
    }
    globfree(&found);
    return rc;
}

/* Writes FOLDER/name; with `literal`, wildcards in the folder's name are escaped, for use in a
 * pattern. */
static int join(struct finder *f,
                char out[ESP_PATH_MAX],
                const char *folder,
                const char *name,
                bool literal)
{
    size_t at = 0;
    for (const char *c = folder; *c && at < ESP_PATH_MAX - 2; c++) {
        if (literal && strchr("*?[]\\", *c)) {
            out[at++] = '\\';
        }
        out[at++] = *c;
    }
    bool slash = at > 0 && out[at - 1] != '/';
    int n = snprintf(out + at, ESP_PATH_MAX - at, "%s%s", slash ? "/" : "", name);
    if (n < 0 || (size_t)n >= ESP_PATH_MAX - at) {
        return esp_error_set(
            f->error, -ENAMETOOLONG, "trainer.data: a path below '%s' is too long", f->pattern);
    }
    return 0;
}

/* Whether the entry is a folder itself and not a link to one. */
static bool is_folder(DIR *dir, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    return fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(status.st_mode);
}

static int find(struct finder *f, const char *pattern, int depth);

/* Finds the files of the pattern `rest` in `folder` and in all folders below it. */
static int find_below(struct finder *f, const char *folder, const char *rest, int depth)
{
    char *path = malloc(ESP_PATH_MAX);
    if (!path) {
        return esp_error_set(
            f->error, -ENOMEM, "trainer.data: no memory to search '%s'", f->pattern);
    }
    void *dir = NULL;
    int rc = join(f, path, folder, rest, true);
    if (rc == 0) {
        rc = find(f, path, depth + 1);
    }
    if (rc != 0 || depth >= ESP_CORPUS_DEPTH_MAX) {
        goto out;
    }
    dir = open_folder(*folder ? folder : ".");
    if (!dir) {
        goto out; /* like glob(3): a folder that cannot be read has no match */
    }
    for (const struct dirent *entry; rc == 0 && (entry = read_entry(dir));) {
        if (entry->d_name[0] == '.' || !is_folder(dir, entry)) {
            continue;
        }
        rc = join(f, path, folder, entry->d_name, false);
        if (rc == 0) {
            rc = find_below(f, path, rest, depth + 1);
        }
    }
    if (rc == 0 && entries_left < 0) {
        rc = refuse_entries(f);
    }
out:
    if (dir) {
        close_folder(dir);
    }
    free(path);
    return rc;
}

/* The first path component that is exactly "**", or NULL. */
static const char *find_stars(const char *pattern)
{
    for (const char *p = pattern; (p = strstr(p, "**")); p++) {
        bool starts = p == pattern || p[-1] == '/';
        if (starts && (p[2] == '/' || p[2] == '\0')) {
            return p;
        }
    }
    return NULL;
}

/* The part after the stars at `stars`. Stars that follow directly match the same folders again
 * and are skipped: reading each folder once per star would take a time that grows with the
 * power of the number of stars. At the end of a pattern, the part is every file. */
static const char *after_stars(const char *stars)
{
    const char *rest = stars;
    while (find_stars(rest) == rest) {
        rest += 2;
        while (*rest == '/') {
            rest++;
        }
    }
    return *rest ? rest : "*";
}

static int find(struct finder *f, const char *pattern, int depth)
{
    const char *stars = find_stars(pattern);
    if (!stars) {
        return find_plain(f, pattern);
    }
    const char *rest = after_stars(stars);
    if (stars == pattern) {
        return find_below(f, "", rest, depth);
    }
    char *before = strndup(pattern, (size_t)(stars - pattern));
    if (!before) {
        return esp_error_set(
            f->error, -ENOMEM, "trainer.data: no memory to search '%s'", pattern);
    }
    glob_t found;
    int rc = search_glob(f, before, GLOB_ONLYDIR, &found);
    free(before);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < found.gl_pathc && rc == 0; i++) {
        rc = find_below(f, found.gl_pathv[i], rest, depth);
    }
    globfree(&found);
    return rc;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_and_unify(struct esp_corpus_files *files)
{
    if (files->count == 0) {
        return;
    }
    qsort(files->paths, files->count, sizeof *files->paths, compare_paths);
    size_t kept = 1;
    for (size_t i = 1; i < files->count; i++) {
        if (strcmp(files->paths[i], files->paths[kept - 1]) == 0) {
            free(files->paths[i]);
        } else {
            files->paths[kept++] = files->paths[i];
        }
    }
    files->count = kept;
}

int esp_corpus_files_find(const char *pattern,
                          struct esp_corpus_files *files,
                          struct esp_error *error)
{
    struct esp_corpus_files found = {0};
    struct finder f = {.files = &found, .pattern = pattern, .error = error};
    struct stat status;
    int rc = 0;

    entries_left = ESP_CORPUS_ENTRIES_MAX;
    if (*pattern == '\0') {
        return esp_error_set(error, -ENOENT, "trainer.data is empty: name a file");
    }
    if (stat(pattern, &status) == 0) {
        if (S_ISDIR(status.st_mode)) {
            return esp_error_set(
                error,
                -EISDIR,
                "trainer.data: '%s' is a folder; name its files, such as '%s/**/*.txt'",
                pattern,
                pattern);
        }
        if (!S_ISREG(status.st_mode)) {
            return esp_error_set(
                error, -EINVAL, "trainer.data: '%s' is not a regular file", pattern);
        }
        rc = collect(&f, pattern);
    } else if (strpbrk(pattern, "*?[")) {
        rc = find(&f, pattern, 0);
    } else {
        rc = -errno;
        return esp_error_set(
            error, rc, "trainer.data: cannot open '%s': %s", pattern, strerror(-rc));
    }
    sort_and_unify(&found);
    if (rc == 0 && found.count == 0) {
        rc = esp_error_set(error, -ENOENT, "trainer.data: no file matches '%s'", pattern);
    }
    if (rc != 0) {
        esp_corpus_files_release(&found);
        return rc;
    }
    *files = found;
    return 0;
}

void esp_corpus_files_release(struct esp_corpus_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->paths[i]);
    }
    free(files->paths);
    *files = (struct esp_corpus_files){0};
}
