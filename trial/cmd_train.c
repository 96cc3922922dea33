/* espalier-trial train: trains the given files without a controller.
 *
 * Files with the same shapes share a group, up to the number of members that the device hosts;
 * the others follow. Each file has a checkpoint OUT/NAME.ckpt, which is replaced during
 * training. */
#include "commands.h"
#include "device.h"
#include "group.h"

#include <errno.h>
#include <espalier/clock.h>
#include <espalier/config.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIGS_MAX 1024

static const char usage[] =
    "usage: espalier-trial train CONFIG.yaml… [options]\n"
    "\n"
    "Trains the built-in transformer as each file says: a study file that needs only\n"
    "`trainer` and single-valued `parameters`. One line per report on standard output.\n"
    "\n"
    "  --out DIR        where NAME.ckpt goes (default: no checkpoint unless interrupted,\n"
    "                   then the current folder)\n"
    "  --resume FILE    continue from this checkpoint (one CONFIG only)\n"
    "  --until N        stop at the first step with N tokens or more, saved when --out is "
    "given\n"
    "  --together K     train up to K files of the same shapes side by side\n"
    "                   (default: what the device hosts; 1 on a CPU)\n"
    "  --device D       auto, cpu, cuda or cuda:N (default: auto)\n"
    "  --json           one JSON object per report\n"
    "  --help           this text\n"
    "\n"
    "Ctrl-C saves and exits with status 5; a second one ends at once with 130.\n"
    "Exit status: 0 done, 1 failure, 2 usage, configuration or data, 3 all diverged,\n"
    "5 interrupted and resumable.\n";

/* One CONFIG.yaml. */
struct job {
    const char *path;
    char name[ESP_NAME_MAX]; /* the file's name without its extension */
    struct esp_trainer trainer;
    int slot; /* −1: not in the group */
    bool done;
    double saved_seconds; /* time of the last checkpoint on the monotonic clock */
};

struct options {
    const char *out;
    const char *resume;
    const char *device;
    int64_t until;
    int together; /* 0: as many as the device hosts */
    bool json;
};

struct run {
    struct options options;
    struct job *jobs;
    int job_count;
    struct esp_kernels *kernels;
    struct esp_group *group;
    int finished; /* reached the horizon or `until` */
    int diverged;
};

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
    (void)number;
    if (++interrupts > 1) {
        _exit(ESP_EXIT_KILLED);
    }
}

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

static void
print_report(const struct run *run, const struct job *job, const struct esp_group_point *p)
{
    if (run->options.json) {
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

static int save(struct run *run, struct job *job, struct esp_error *error)
{
    char path[ESP_PATH_MAX];
    int n = snprintf(
        path, sizeof path, "%s/%s.ckpt", run->options.out ? run->options.out : ".", job->name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return esp_error_set(error, -ENAMETOOLONG, "the path of --out is too long");
    }
    int rc = esp_group_save(run->group, job->slot, path, NULL, NULL, error);
    if (rc == 0) {
        job->saved_seconds = esp_clock_seconds();
        if (!run->options.out || interrupts) {
            fprintf(stderr, "espalier-trial: saved %s\n", path);
        }
    }
    return rc;
}

static struct job *job_at(struct run *run, int slot)
{
    for (int i = 0; i < run->job_count; i++) {
        if (run->jobs[i].slot == slot && !run->jobs[i].done) {
            return &run->jobs[i];
        }
    }
    return NULL;
}

static int handle(struct run *run, const struct esp_group_event *event, struct esp_error *error)
{
    struct job *job = job_at(run, event->slot);
    bool over = event->what & (ESP_GROUP_UNTIL | ESP_GROUP_HORIZON | ESP_GROUP_NOT_FINITE);
    bool diverged = event->what & ESP_GROUP_NOT_FINITE;
    int rc = 0;
    if (event->what & ESP_GROUP_REPORT) {
        print_report(run, job, &event->point);
        double age = esp_clock_seconds() - job->saved_seconds;
        if (run->options.out && !over && age > job->trainer.checkpoint_seconds) {
            rc = save(run, job, error);
        }
    }
    if (!over || rc != 0) {
        return rc;
    }
    if (run->options.out && !diverged) {
        rc = save(run, job, error);
    }
    if (diverged) {
        fprintf(stderr,
                "espalier-trial: %s diverged at step %" PRId64 ": its loss is not finite\n",
                job->name,
                event->point.step);
    }
    run->diverged += diverged;
    run->finished += !diverged;
    job->done = true;
    esp_group_leave(run->group, event->slot);
    return rc;
}

/* Adds waiting jobs of the group's shapes to its empty slots. */
static int fill(struct run *run, struct esp_error *error)
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
            rc = esp_group_join(run->group, slot, &job->trainer, run->options.resume, error);
            if (rc == 0) {
                esp_group_until(run->group, slot, run->options.until);
                job->slot = slot;
                job->saved_seconds = esp_clock_seconds();
            }
            break;
        }
    }
    return rc;
}

static int save_all(struct run *run, struct esp_error *error)
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
static int run_group(struct run *run, const struct job *first, struct esp_error *error)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count = 0, like = 0;
    for (int i = 0; i < run->job_count; i++) {
        like += !run->jobs[i].done &&
                esp_trainer_group(&run->jobs[i].trainer) == esp_trainer_group(&first->trainer);
    }
    int slots = run->options.together > 0 ? run->options.together
                                          : esp_group_capacity(run->kernels, &first->trainer);
    slots = slots < like ? slots : like;
    int rc = esp_group_create(run->kernels, &first->trainer, slots, &run->group, error);
    if (rc == 0) {
        rc = fill(run, error);
    }
    while (rc == 0 && !interrupts && esp_group_active(run->group) > 0) {
        rc = esp_group_step(run->group, events, &count, error);
        for (int i = 0; i < count && rc == 0; i++) {
            rc = handle(run, &events[i], error);
        }
        if (rc == 0 && count > 0) {
            rc = fill(run, error);
        }
    }
    if (rc == 0 && interrupts) {
        rc = save_all(run, error);
    }
    esp_group_destroy(run->group);
    run->group = NULL;
    return rc;
}

static int run_all(struct run *run, struct esp_error *error)
{
    int rc = 0;
    for (int i = 0; i < run->job_count && rc == 0 && !interrupts; i++) {
        if (!run->jobs[i].done) {
            rc = run_group(run, &run->jobs[i], error);
        }
    }
    return rc;
}

/* NAME of PATH/NAME.yaml; a number is appended when the name is taken. */
static void name_job(struct run *run, int index)
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

static int read_jobs(struct run *run, int count, char **paths, struct esp_error *error)
{
    run->jobs = calloc((size_t)count, sizeof *run->jobs);
    if (!run->jobs) {
        return esp_error_set(error, -ENOMEM, "no memory for %d configurations", count);
    }
    run->job_count = count;
    for (int i = 0; i < count; i++) {
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

static bool parse_integer(const char *text, int64_t min, int64_t max, int64_t *out)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end); /* accepts 1e6 as a number of tokens too */
    if (end == text || *end != '\0' || !(value >= (double)min && value <= (double)max) ||
        value != floor(value)) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

/* 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, struct options *options)
{
    enum { OUT = 1, RESUME, UNTIL, TOGETHER, DEVICE, JSON, HELP };
    static const struct option table[] = {
        {"out", required_argument, NULL, OUT},
        {"resume", required_argument, NULL, RESUME},
        {"until", required_argument, NULL, UNTIL},
        {"together", required_argument, NULL, TOGETHER},
        {"device", required_argument, NULL, DEVICE},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int64_t together = 0;
    int option;
    *options = (struct options){.device = "auto"};
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case OUT:
            options->out = optarg;
            break;
        case RESUME:
            options->resume = optarg;
            break;
        case UNTIL:
            good = parse_integer(optarg, 1, INT64_C(1) << 53, &options->until);
            break;
        case TOGETHER:
            good = parse_integer(optarg, 1, ESP_MEMBERS_MAX, &together);
            options->together = (int)together;
            break;
        case DEVICE:
            options->device = optarg;
            break;
        case JSON:
            options->json = true;
            break;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            fputs("'espalier-trial train --help' explains.\n", stderr);
            return -1;
        }
        if (!good) {
            fprintf(stderr, "espalier-trial train: '%s' is no usable number\n", optarg);
            return -1;
        }
    }
    int configs = argc - optind;
    if (configs < 1 || configs > CONFIGS_MAX) {
        fprintf(stderr, "espalier-trial train: name 1 to %d files\n\n%s", CONFIGS_MAX, usage);
        return -1;
    }
    if (options->resume && configs > 1) {
        fputs("espalier-trial train: --resume goes with one file only\n", stderr);
        return -1;
    }
    return 0;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int esp_command_train(int argc, char **argv)
{
    struct run run = {0};
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &run.options);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_OK : ESP_EXIT_USAGE;
    }
    int rc = read_jobs(&run, argc - optind, argv + optind, &error);
    if (rc == 0 && run.options.out && mkdir(run.options.out, 0777) != 0 && errno != EEXIST) {
        rc = -errno;
        esp_error_set(&error, rc, "cannot create '%s': %s", run.options.out, strerror(-rc));
    }
    if (rc == 0) {
        rc = esp_device_open(run.options.device, &run.kernels, &error);
    }
    if (rc == 0) {
        catch_signals();
        rc = run_all(&run, &error);
    }
    esp_kernels_close(run.kernels);
    free(run.jobs);
    if (rc != 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return esp_command_status(rc);
    }
    if (interrupts) {
        return ESP_EXIT_PAUSED;
    }
    return run.finished == 0 ? ESP_EXIT_NO_TRIAL : ESP_EXIT_OK;
}
