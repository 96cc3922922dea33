#include "calibration.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A line that holds one number and perhaps a comment. */
#define LINE_MAX_BYTES 1024

static int take_line(
    const char *path, int line, char *text, struct esp_scores *scores, struct esp_error *error)
{
    text[strcspn(text, "#\r\n")] = 0;
    char *begin = text + strspn(text, " \t"), *end;
    if (*begin == 0) {
        return 0;
    }
    double number = strtod(begin, &end);
    bool whole = end != begin && end[strspn(end, " \t")] == 0;
    if (!whole || number < 0 || isinf(number)) {
        return esp_error_set(
            error,
            -EINVAL,
            "%s:%d: \"%.60s\" is not a score: a line holds one number from 0, such as "
            "\"best_score\" of `espalier replay --json`",
            path,
            line,
            begin);
    }
    if (scores->count == ESP_SCORES_MAX) {
        return esp_error_set(
            error, -EFBIG, "%s:%d: more than %d scores", path, line, ESP_SCORES_MAX);
    }
    if ((scores->count & (scores->count - 1)) == 0) {
        size_t capacity = scores->count ? (size_t)scores->count * 2 : 1;
        double *grown = realloc(scores->numbers, capacity * sizeof *grown);
        if (!grown) {
            return esp_error_set(error, -ENOMEM, "out of memory");
        }
        scores->numbers = grown;
    }
    scores->numbers[scores->count++] = number;
    return 0;
}

int esp_scores_read(const char *path, struct esp_scores *scores, struct esp_error *error)
{
    char text[LINE_MAX_BYTES];
    int rc = 0;
    *scores = (struct esp_scores){0};
    FILE *file = fopen(path, "r");
    if (!file) {
        return esp_error_set(error, -errno, "--calibration %s: %s", path, strerror(errno));
    }
    for (int line = 1; rc == 0 && fgets(text, sizeof text, file); line++) {
        rc = take_line(path, line, text, scores, error);
    }
    if (rc == 0 && ferror(file)) {
        rc = esp_error_set(error, -EIO, "--calibration %s: cannot be read to its end", path);
    } else if (rc == 0 && scores->count == 0) {
        rc = esp_error_set(
            error, -EINVAL, "%s: holds no score; a score is one number per line", path);
    }
    fclose(file);
    if (rc < 0) {
        esp_scores_release(scores);
    }
    return rc;
}

void esp_scores_release(struct esp_scores *scores)
{
    free(scores->numbers);
    *scores = (struct esp_scores){0};
}

int esp_scores_without(const struct esp_scores *all,
                       int table,
                       int seeds,
                       struct esp_scores *others)
{
    size_t before = (size_t)table * (size_t)seeds;
    size_t after = (size_t)all->count - before - (size_t)seeds;
    *others = (struct esp_scores){.count = (int)(before + after)};
    others->numbers = malloc((before + after + 1) * sizeof *others->numbers);
    if (!others->numbers) {
        return -ENOMEM;
    }
    memcpy(others->numbers, all->numbers, before * sizeof *others->numbers);
    memcpy(others->numbers + before,
           all->numbers + before + (size_t)seeds,
           after * sizeof *others->numbers);
    return 0;
}
