/* Whether the data that a study names is there and long enough. What is in it, the trial's own
 * reader looks at.
 *
 * Bytes of a text are tokens; shards (.bin) hold two bytes a token behind llm.c's header of
 * 1024 bytes or none, four bytes for Llama-3's (facts: formats). */
#include "study.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of one glob: shards of 100M tokens, a trillion of them. */
#define FILES_MAX 10000
#define HEADER_BYTES 1024
#define MAGIC_GPT2 20240520
#define MAGIC_LLAMA3 20240801

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

static int64_t tokens_in(int fd, const char *path, int64_t bytes)
{
    int32_t magic = 0;

    if (!ends_with(path, ".bin")) {
        return bytes;
    }
    if (bytes >= HEADER_BYTES && pread(fd, &magic, sizeof magic, 0) == sizeof magic) {
        if (magic == MAGIC_GPT2) {
            return (bytes - HEADER_BYTES) / 2;
        }
        if (magic == MAGIC_LLAMA3) {
            return (bytes - HEADER_BYTES) / 4;
        }
    }
    return bytes / 2;
}

/* Adds the tokens of one file. */
static int
check_file(const char *path, const char *what, int64_t *tokens, struct esp_error *error)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int rc = fd < 0 ? -errno : 0;

    if (rc == 0 && fstat(fd, &about) < 0) {
        rc = -errno;
    }
    if (rc < 0) {
        esp_error_set(error, rc, "%s: %s cannot be read: %s", path, what, strerror(-rc));
    } else if (!S_ISREG(about.st_mode)) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "%s: %s is %s; name a file, or a glob like %s/*.txt",
                           path,
                           what,
                           S_ISDIR(about.st_mode) ? "a folder" : "no regular file",
                           S_ISDIR(about.st_mode) ? path : ".");
    } else if (about.st_size == 0) {
        rc = esp_error_set(error, -EINVAL, "%s: %s is empty", path, what);
    } else {
        *tokens += tokens_in(fd, path, about.st_size);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int check_glob(const char *pattern, int64_t *tokens, struct esp_error *error)
{
    glob_t found = {0};
    int rc = glob(pattern, 0, NULL, &found);

    if (rc == GLOB_NOMATCH) {
        rc = esp_error_set(
            error, -ENOENT, "%s: trainer.data: no file matches this glob", pattern);
    } else if (rc != 0) {
        rc = esp_error_set(error,
                           rc == GLOB_NOSPACE ? -ENOMEM : -EACCES,
                           "%s: trainer.data: the folder cannot be read",
                           pattern);
    } else if (found.gl_pathc > FILES_MAX) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "%s: trainer.data: %zu files match this glob, more than %d",
                           pattern,
                           found.gl_pathc,
                           FILES_MAX);
    }
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        rc = check_file(found.gl_pathv[i], "trainer.data", tokens, error);
    }
    globfree(&found);
    return rc;
}

/* The longest context of any trial. */
static int64_t longest_context(const struct esp_study *study)
{
    const struct esp_field *field = esp_trainer_field("model.context");
    int64_t longest = study->trainer.context;

    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        if (esp_trainer_field(param->name) != field) {
            continue;
        }
        for (int j = 0; j < param->choice_count; j++) {
            int64_t choice = (int64_t)param->choices[j].real;
            longest = choice > longest ? choice : longest;
        }
        if (param->choice_count == 0) {
            int64_t drawn = (int64_t)esp_param_draw(param, 1);
            longest = drawn > longest ? drawn : longest;
        }
    }
    return longest;
}

int esp_study_check_data(const struct esp_study *study, struct esp_error *error)
{
    const char *data = study->trainer.data;
    int64_t tokens = 0;
    int64_t ignored = 0;
    int64_t context;
    struct stat about;
    int rc;

    if (!study->builtin) {
        return 0;
    }
    /* A file whose name has a glob's signs in it is that file. */
    if (strpbrk(data, "*?[") && stat(data, &about) < 0) {
        rc = check_glob(data, &tokens, error);
    } else {
        rc = check_file(data, "trainer.data", &tokens, error);
    }
    if (rc == 0 && study->trainer.init_from[0] != '\0') {
        rc = check_file(study->trainer.init_from, "trainer.init_from", &ignored, error);
    }
    if (rc < 0) {
        return rc;
    }
    /* The last tenth is for validation; a window is a context and the token after it. */
    context = longest_context(study);
    if (tokens - tokens * 9 / 10 < context + 1) {
        return esp_error_set(
            error,
            -EINVAL,
            "%s: trainer.data has %lld tokens; a context of %lld needs at least "
            "%lld, as the last tenth is for validation",
            data,
            (long long)tokens,
            (long long)context,
            (long long)(10 * (context + 1)));
    }
    return 0;
}
