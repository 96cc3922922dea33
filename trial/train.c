/* Jobs of `espalier-trial train`: groups of files, reports and checkpoints. See train.h. */
#include "train.h"

#include "group.h"

#include <errno.h>
#include <espalier/clock.h>
#include <espalier/config.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One CONFIG.yaml. */
struct job {
    const char *path;
    char name[ESP_NAME_MAX]; /* the file's name without its extension */
    struct esp_trainer trainer;
    int slot; /* −1: not in the group */
    bool done;
    double saved_seconds; /* time of the last checkpoint on the monotonic clock */
};

struct train_run {
    const struct train_options *options;
    struct job *jobs;
    int job_count;
    struct esp_kernels *kernels;
    struct esp_group *group;
    int finished; /* reached the horizon or `until` */
};

/* JSON has no NaN. */
static void print_number(const char *name, double value, const char *format)
{
    printf(",\"%s\":", name);
    if (isfinite(value)) {
        printf(format, value);
    } else {
        printf("null");
    }
}

static void print_report(const struct train_run *run,
                         const struct job *job,
                         const struct esp_group_point *p)
{
    if (run->options->json) {
        printf("{\"config\":\"%s\",\"step\":%" PRId64 ",\"tokens\":%" PRId64,
               job->name,
               p->step,
               p->tokens);
        print_number("val_loss", p->val_loss, "%.6f");
        print_number("train_loss", p->train_loss, "%.6f");
        print_number("device_seconds", p->device_seconds, "%.3f");
        print_number("learning_rate", p->learning_rate, "%.6g");
        print_number("grad_norm", p->grad_norm, "%.6g");
        print_number("tokens_per_second", p->tokens_per_second, "%.0f");
        puts("}");
    } else {
        if (run->job_count > 1) {
            printf("%-20s ", job->name);
        }
        printf("step %6" PRId64 "  tokens %9" PRId64 "  val %.4f",
               p->step,
               p->tokens,
               p->val_loss);
        if (p->step > 0) {
            printf("  train %.4f  norm %.3f  lr %.3g",
                   isnan(p->train_loss) ? NAN : p->train_loss, /* avoids "-nan" */
                   isnan(p->grad_norm) ? NAN : p->grad_norm,
                   p->learning_rate);
        }
        if (p->tokens_per_second > 0) { /* not set when a resumed job had nothing left to do */
            printf("  %.0f tokens/s", p->tokens_per_second);
        }
        putchar('\n');
    }
    fflush(stdout);
}

static int save(struct train_run *run, struct job *job, struct esp_error *error)
{
    char path[ESP_PATH_MAX];
    int n = snprintf(path,
                     sizeof path,
                     "%s/%s.ckpt",
                     run->options->out ? run->options->out : ".",
                     job->name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return esp_error_set(error, -ENAMETOOLONG, "the path of --out is too long");
    }
    int rc = esp_group_save(run->group, job->slot, path, NULL, NULL, error);
    if (rc == 0) {
        job->saved_seconds = esp_clock_seconds();
        if (!run->options->out || *run->options->interrupts) {
            fprintf(stderr, "espalier-trial: saved %s\n", path);
        }
    }
    return rc;
}

static struct job *job_at(struct train_run *run, int slot)
{
    for (int i = 0; i < run->job_count; i++) {
        if (run->jobs[i].slot == slot && !run->jobs[i].done) {
            return &run->jobs[i];
        }
    }
    return NULL;
}

static int
handle(struct train_run *run, const struct esp_group_event *event, struct esp_error *error)
{
    struct job *job = job_at(run, event->slot);
    bool over = event->what & (ESP_GROUP_UNTIL | ESP_GROUP_HORIZON | ESP_GROUP_NOT_FINITE);
    bool diverged = event->what & ESP_GROUP_NOT_FINITE;
    int rc = 0;
    if (event->what & ESP_GROUP_REPORT) {
        print_report(run, job, &event->point);
        double age = esp_clock_seconds() - job->saved_seconds;
        if (run->options->out && !over && age > job->trainer.checkpoint_seconds) {
            rc = save(run, job, error);
        }
    }
    if (!over || rc != 0) {
        return rc;
    }
    if (run->options->out && !diverged) {
        rc = save(run, job, error);
    }
    if (diverged) {
        fprintf(stderr,
                "espalier-trial: %s diverged at step %" PRId64 ": its loss is not finite\n",
                job->name,
                event->point.step);
    }
    run->finished += !diverged;
    job->done = true;
    esp_group_leave(run->group, event->slot);
    return rc;
}

/* Adds waiting jobs of the group's shapes to its empty slots. */
static int fill(struct train_run *run, struct esp_error *error)
{
    int rc = 0;
    for (int slot = 0; slot < esp_group_slots(run->group) && rc == 0; slot++) {
        if (esp_group_state(run->group, slot) != ESP_GROUP_EMPTY) {
            continue;
        }
        for (int i = 0; i < run->job_count; i++) {
            struct job *job = &run->jobs[i];
            if (job->done || job->slot >= 0 || !esp_group_accepts(run->group, &job->trainer)) {
                continue;
            }
            rc = esp_group_join(run->group, slot, &job->trainer, run->options->resume, error);
            if (rc == 0) {
                esp_group_until(run->group, slot, run->options->until);
                job->slot = slot;
                job->saved_seconds = esp_clock_seconds();
            }
            break;
        }
    }
    return rc;
}

static int save_all(struct train_run *run, struct esp_error *error)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count = 0;
    int rc = esp_group_collect(run->group, events, &count, error);
    for (int i = 0; i < count && rc == 0; i++) {
        rc = handle(run, &events[i], error);
    }
    for (int i = 0; i < run->job_count && rc == 0; i++) {
        if (run->jobs[i].slot >= 0 && !run->jobs[i].done) {
            rc = save(run, &run->jobs[i], error);
        }
    }
    return rc;
}

/* Trains the first waiting job together with all that fit its group. 0 when they are done. */
static int run_group(struct train_run *run, const struct job *first, struct esp_error *error)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count = 0, like = 0;
    for (int i = 0; i < run->job_count; i++) {
        like += !run->jobs[i].done &&
                esp_trainer_group(&run->jobs[i].trainer) == esp_trainer_group(&first->trainer);
    }
    int slots = run->options->together > 0 ? run->options->together
                                           : esp_group_capacity(run->kernels, &first->trainer);
    slots = slots < like ? slots : like;
    int rc = esp_group_create(run->kernels, &first->trainer, slots, &run->group, error);
    if (rc == 0) {
        rc = fill(run, error);
    }
    while (rc == 0 && !*run->options->interrupts && esp_group_active(run->group) > 0) {
        rc = esp_group_step(run->group, events, &count, error);
        for (int i = 0; i < count && rc == 0; i++) {
            rc = handle(run, &events[i], error);
        }
        if (rc == 0 && count > 0) {
            rc = fill(run, error);
        }
    }
    if (rc == 0 && *run->options->interrupts) {
        rc = save_all(run, error);
    }
    esp_group_destroy(run->group);
    run->group = NULL;
    return rc;
}

/* NAME of PATH/NAME.yaml; a number is appended when the name is taken. */
static void name_job(struct train_run *run, int index)
{
    struct job *job = &run->jobs[index];
    char copy[ESP_PATH_MAX];
    snprintf(copy, sizeof copy, "%s", job->path);
    const char *base = basename(copy);
    const char *dot = strrchr(base, '.');
    int length = dot && dot != base ? (int)(dot - base) : (int)strlen(base);
    snprintf(job->name, sizeof job->name - 8, "%.*s", length, base);
    for (char *c = job->name; *c; c++) {
        *c = *c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? '_' : *c;
    }
    for (int i = 0; i < index; i++) {
        if (strcmp(run->jobs[i].name, job->name) == 0) {
            size_t used = strlen(job->name);
            snprintf(job->name + used, sizeof job->name - used, "-%d", index);
            return;
        }
    }
}

static int read_jobs(struct train_run *run, char **paths, struct esp_error *error)
{
    for (int i = 0; i < run->job_count; i++) {
        struct job *job = &run->jobs[i];
        job->path = paths[i];
        job->slot = -1;
        name_job(run, i);
        int rc = esp_config_read(paths[i], &job->trainer, error);
        if (rc == 0) {
            rc = esp_trainer_validate(&job->trainer, error);
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

int esp_train_open(const struct train_options *options,
                   int count,
                   char **paths,
                   struct train_run **out,
                   struct esp_error *error)
{
    struct train_run *run = calloc(1, sizeof *run);
    struct job *jobs = calloc((size_t)count, sizeof *jobs);
    if (!run || !jobs) {
        free(run);
        free(jobs);
        return esp_error_set(error, -ENOMEM, "no memory for %d configurations", count);
    }
    *run = (struct train_run){.options = options, .jobs = jobs, .job_count = count};
    int rc = read_jobs(run, paths, error);
    if (rc != 0) {
        esp_train_close(run);
        return rc;
    }
    *out = run;
    return 0;
}

int esp_train_all(struct train_run *run,
                  struct esp_kernels *kernels,
                  int *finished,
                  struct esp_error *error)
{
    int rc = 0;
    run->kernels = kernels;
    for (int i = 0; i < run->job_count && rc == 0 && !*run->options->interrupts; i++) {
        if (!run->jobs[i].done) {
            rc = run_group(run, &run->jobs[i], error);
        }
    }
    *finished = run->finished;
    return rc;
}

void esp_train_close(struct train_run *run)
{
    if (run) {
        free(run->jobs);
        free(run);
    }
}
