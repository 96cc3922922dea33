#include "calibration.h"

#include "../stop/exchangeable.h"
#include "../store/reader.h"
#include "../study/study.h"

#include <dirent.h>
#include <errno.h>
#include <espalier/limits.h>
#include <espalier/live_setting.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gathering {
    const struct esp_study *study;
    const char *own; /* canonical path of DIR; "" when it does not exist yet */
    struct esp_calibration *out;
    char **texts; /* texts of the studies that are used */
};

static bool is_copy(const struct gathering *g, const char *text)
{
    for (uint32_t i = 0; i < g->out->count; i++) {
        if (strcmp(g->texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* Uses the score of the study, or sets `why` to the reason against it. -ENOMEM. */
static int take(struct gathering *g,
                struct esp_reader *reader,
                const struct esp_reader_study *row,
                const char **why)
{
    struct esp_study *other = NULL;
    bool planned = row->state == ESP_STUDY_COMPLETE || row->state == ESP_STUDY_BUDGET;
    *why = !planned            ? "it has not ended as planned"
           : isnan(row->score) ? "it has no score: none of its trials is complete, or an older "
                                 "version of espalier ran it"
           : g->out->count == ESP_CALIBRATION_MAX ? "enough other studies were found"
           : is_copy(g, row->source) ? "it is a copy of another study, with the same seed"
                                     : NULL;
    if (*why) {
        return 0;
    }
    if (esp_study_read_text(row->source,
                            row->file && row->file[0] ? row->file : "study",
                            row->base,
                            &other,
                            NULL,
                            NULL) < 0) {
        *why = "its study file cannot be read";
        return 0;
    }
    esp_study_apply_format(other, row->begun_format);
    /* The version that introduced scores over all seeds also changed where bayes starts
     * (search/default_prior.h). */
    if (row->scored != ESP_SCORED_SEEDS &&
        (other->stopping.repeats > 0 || other->method == ESP_METHOD_BAYES)) {
        *why = other->stopping.repeats > 0
                   ? "an older version of espalier ran it, whose score leaves out repeats"
                   : "an older version of espalier ran it, whose bayes started elsewhere";
        esp_study_destroy(other);
        return 0;
    }
    double run_cap = (double)other->run_cap;
    int rc =
        esp_reader_changed(reader, esp_live_settings[ESP_LIVE_RUN_CAP].name, &run_cap, NULL);
    *why = rc < 0 ? "its record is damaged" : esp_study_difference(g->study, other, run_cap);
    esp_study_destroy(other);
    if (*why) {
        return 0;
    }
    char *text = strdup(row->source);
    if (!text) {
        return -ENOMEM;
    }
    g->texts[g->out->count] = text;
    g->out->scores[g->out->count++] = row->score;
    return 0;
}

/* Examines a folder. Returns 0 when it holds no study, else 1, with `why` set to NULL if the
 * study is used. -ENOMEM. */
static int examine(struct gathering *g, const char *folder, const char **why)
{
    struct esp_reader *reader = NULL;
    struct esp_reader_study row;
    char *real = realpath(folder, NULL);
    bool own = real && strcmp(real, g->own) == 0;
    free(real);
    *why = own ? "it is this study" : "its record cannot be read";
    if (own) {
        return 1;
    }
    if (esp_reader_open(folder, &reader, NULL) < 0) {
        return 0;
    }
    g->out->examined_count++;
    int rc = esp_reader_study(reader, &row, NULL);
    rc = rc < 0 ? 0 : take(g, reader, &row, why);
    esp_reader_close(reader);
    return rc < 0 ? rc : 1;
}

/* Examines the folders next to DIR in the order of their names, so that the result does not
 * depend on the file system. */
static int gather_neighbours(struct gathering *g, const char *dir)
{
    char parent[ESP_PATH_MAX], path[2 * ESP_PATH_MAX];
    struct dirent **entries = NULL;
    const char *why;
    snprintf(parent, sizeof parent, "%s", dir);
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/') {
        parent[--length] = '\0';
    }
    char *slash = strrchr(parent, '/');
    if (slash) {
        slash[slash == parent] = '\0';
    } else {
        snprintf(parent, sizeof parent, ".");
    }
    int count = scandir(parent, &entries, NULL, alphasort), rc = 0;
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", parent, entries[i]->d_name);
        if (rc >= 0 && entries[i]->d_name[0] != '.') {
            rc = examine(g, path, &why);
        }
        free(entries[i]);
    }
    free(entries);
    return rc < 0 ? rc : 0;
}

static int gather_entry(struct gathering *g,
                        const char *file,
                        const char *base,
                        const struct esp_calibrate_entry *entry,
                        struct esp_error *error)
{
    char path[2 * ESP_PATH_MAX];
    bool pattern = strpbrk(entry->path, "*?[") != NULL;
    int studies = 0, rc = 0;
    const char *why = NULL;
    glob_t found = {0};
    snprintf(path,
             sizeof path,
             "%s%s%s",
             entry->path[0] == '/' ? "" : base,
             entry->path[0] == '/' ? "" : "/",
             entry->path);
    if (pattern) {
        glob(path, 0, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc && rc >= 0; i++) {
            rc = examine(g, found.gl_pathv[i], &why);
            studies += rc > 0;
        }
        globfree(&found);
    } else {
        rc = examine(g, path, &why);
        studies = rc > 0;
    }
    if (rc < 0) {
        return esp_error_set(error, rc, "out of memory.");
    }
    if (studies == 0 || (!pattern && why)) {
        return esp_error_set(
            error,
            -EINVAL,
            "%s:%d:%d: calibrate: \"%s\": %s",
            file,
            entry->line,
            entry->column,
            entry->path,
            studies == 0 ? "no study is there (relative to the folder of the study file)"
                         : why);
    }
    return 0;
}

int esp_calibration_gather(const struct esp_study *study,
                           const char *dir,
                           const char *file,
                           const char *base,
                           struct esp_calibration *out,
                           struct esp_error *error)
{
    *out = (struct esp_calibration){0};
    if (!(study->stopping.risk > 0)) {
        return 0;
    }
    char *own = realpath(dir, NULL);
    struct gathering g = {.study = study, .own = own ? own : "", .out = out};
    g.texts = calloc(ESP_CALIBRATION_MAX, sizeof *g.texts);
    out->scores = calloc(ESP_CALIBRATION_MAX, sizeof *out->scores);
    int rc = g.texts && out->scores ? 0 : esp_error_set(error, -ENOMEM, "out of memory.");
    for (int i = 0; i < study->stopping.calibrate_count && rc == 0; i++) {
        rc = gather_entry(&g, file, base, &study->stopping.calibrate[i], error);
    }
    if (rc == 0 && study->stopping.calibrate_count == 0 &&
        gather_neighbours(&g, own ? own : dir) < 0) {
        rc = esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (uint32_t i = 0; g.texts && i < out->count; i++) {
        free(g.texts[i]);
    }
    free(g.texts);
    free(own);
    if (rc < 0) {
        esp_calibration_release(out);
    }
    return rc;
}

void esp_calibration_release(struct esp_calibration *calibration)
{
    free(calibration->scores);
    *calibration = (struct esp_calibration){0};
}
