/* Speed of the ledger: durable rows per second by group size, and time and memory of a resume.
 *
 *   bench_store [--dir DIR] [--trials N] [--points N] [--rows N]
 *
 * It prints one JSON object:
 *
 *   durable  for 1, 10, 100 and 256 reports per commit: rows per second, and p50 and p99 of the
 *            time of a commit in µs
 *   resume   for a ledger of --trials × --points, written with 64 trials interleaved and, the
 *            worst case, with all of them interleaved: seconds to open it (every page is
 *            checked) and to load it, and the growth of peak memory in KiB, measured in a child
 *            process
 *   read     seconds for the queries of `status`, `best` and `export --curves`
 *
 * DIR (default .) should be on the disk to be measured. */
#include "../../../controller/store/reader.h"
#include <errno.h>
#include <espalier/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../controller/store/store.h"

struct options {
    const char *dir;
    int64_t trials, points, rows;
};

static const struct esp_study *the_study(void)
{
    static struct esp_study study;
    strcpy(study.name, "bench");
    strcpy(study.metric, "val_loss");
    study.source = (char *)"name: bench\n";
    study.param_count = 2;
    study.params[0] = (struct esp_param){.name = "learning_rate",
                                         .distribution = ESP_LOG_UNIFORM_VALUES,
                                         .min = 1e-5,
                                         .max = 0.1};
    study.params[1] = (struct esp_param){
        .name = "weight_decay", .distribution = ESP_UNIFORM, .min = 0, .max = 1};
    return &study;
}

static void must(int code, const struct esp_error *error)
{
    if (code < 0) {
        fprintf(stderr, "bench_store: %s\n", error->text);
        exit(1);
    }
}

static struct esp_store *create(const char *dir, bool unsafe)
{
    struct esp_store_origin origin = {.base = "/", .nonce = 1};
    struct esp_store_options options = {.unsafe = unsafe};
    struct esp_store *store = NULL;
    struct esp_error error = {""};
    int lock;
    must(esp_store_lock(dir, &lock, &error), &error);
    must(esp_store_create(dir, the_study(), &origin, &options, &store, &error), &error);
    close(lock);
    return store;
}

static void remove_study(const char *dir)
{
    static const char *const names[] = {"study.db", "study.db-wal", "study.db-shm", "lock"};
    char path[5000];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
}

static struct esp_event created(uint64_t seq, int64_t trial)
{
    static double values[2];
    values[0] = 1e-5 + 1e-7 * (double)trial;
    values[1] = 0.5;
    return (struct esp_event){.seq = seq,
                              .time_ms = 1700000000000 + (int64_t)seq,
                              .kind = ESP_EVENT_CREATED,
                              .trial = trial,
                              .created = {.horizon = 1 << 20,
                                          .seed = trial,
                                          .repeats = -1,
                                          .values = {values, 2},
                                          .reason.rule = ESP_RULE_NONE}};
}

static struct esp_event report(uint64_t seq, int64_t trial, int64_t step)
{
    return (struct esp_event){
        .seq = seq,
        .time_ms = 1700000000000 + (int64_t)seq,
        .kind = ESP_EVENT_REPORT,
        .trial = trial,
        .attempt = 1,
        .sequence = (uint64_t)step + 1,
        .report.point = {.step = step * 40,
                         .tokens = step * 40960,
                         .device_seconds = (double)step * 1.37,
                         .value = 4.0 / (1.0 + (double)step) + 1e-6 * (double)trial,
                         .train_loss = 3.9 / (1.0 + (double)step)}};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void durable(const struct options *options, int group, const char *separator)
{
    char dir[5000];
    struct esp_error error = {""};
    snprintf(dir, sizeof dir, "%s/bench-durable", options->dir);
    remove_study(dir);
    struct esp_store *store = create(dir, false);
    uint64_t seq = 0;
    for (int64_t trial = 0; trial < 64; trial++) {
        struct esp_event event = created(++seq, trial);
        must(esp_store_append(store, &event, 1, &error), &error);
    }
    must(esp_store_commit(store, &error), &error);
    int64_t rows = group == 1    ? options->rows / 20
                   : group == 10 ? options->rows / 4
                                 : options->rows;
    int64_t commits = rows / group;
    double *took = malloc((size_t)commits * sizeof *took);
    double start = esp_clock_seconds();
    for (int64_t commit = 0, row = 0; commit < commits; commit++) {
        double begun = esp_clock_seconds();
        for (int i = 0; i < group; i++, row++) {
            struct esp_event event = report(++seq, row % 64, row / 64);
            must(esp_store_append(store, &event, 1, &error), &error);
        }
        must(esp_store_commit(store, &error), &error);
        took[commit] = esp_clock_seconds() - begun;
        esp_store_tidy(store);
    }
    double seconds = esp_clock_seconds() - start;
    qsort(took, (size_t)commits, sizeof *took, ascending);
    printf("%s\"%d\":{\"rows_per_second\":%.0f,\"commit_p50_us\":%.0f,\"commit_p99_us\":%.0f}",
           separator,
           group,
           (double)(commits * group) / seconds,
           took[commits / 2] * 1e6,
           took[commits * 99 / 100] * 1e6);
    free(took);
    esp_store_close(store);
    remove_study(dir);
}

/* `active` trials report in turns until each has its points, then the next ones. Each trial
 * also has state transitions and a save. */
static void write_long(const struct options *options, const char *dir, int64_t active)
{
    struct esp_error error = {""};
    struct esp_store *store = create(dir, true);
    uint64_t seq = 0;
    for (int64_t first = 0; first < options->trials; first += active) {
        int64_t end = first + active < options->trials ? first + active : options->trials;
        for (int64_t trial = first; trial < end; trial++) {
            struct esp_event event = created(++seq, trial);
            must(esp_store_append(store, &event, 1, &error), &error);
            event = (struct esp_event){.seq = ++seq,
                                       .kind = ESP_EVENT_MOVED,
                                       .trial = trial,
                                       .attempt = 1,
                                       .moved = {.process = (uint64_t)trial % 64 + 1,
                                                 .trigger = ESP_TRIGGER_GRANT,
                                                 .from = ESP_TRIAL_QUEUED,
                                                 .to = ESP_TRIAL_ASSIGNED,
                                                 .until = 1 << 20}};
            must(esp_store_append(store, &event, 1, &error), &error);
        }
        for (int64_t step = 0; step < options->points; step++) {
            for (int64_t trial = first; trial < end; trial++) {
                struct esp_event event = report(++seq, trial, step);
                must(esp_store_append(store, &event, 1, &error), &error);
            }
            must(esp_store_commit(store, &error), &error);
        }
    }
    must(esp_store_commit(store, &error), &error);
    esp_store_close(store);
}

struct sum {
    uint64_t count;
    double value;
};

static int add(void *context, const struct esp_event *event)
{
    struct sum *sum = context;
    sum->count++;
    sum->value += event->report.point.value;
    return 0;
}

static int add_trial(void *context, const struct esp_reader_trial *trial)
{
    struct sum *sum = context;
    sum->count++;
    sum->value += trial->value;
    return 0;
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Runs in a child process, so that its peak memory can be measured. */
static void resume(const char *dir, const char *name, const char *separator)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        struct esp_store *store = NULL;
        struct esp_error error = {""};
        struct sum sum = {0};
        long before = peak_kib();
        double start = esp_clock_seconds();
        must(esp_store_open(dir, NULL, &store, &error), &error);
        double opened = esp_clock_seconds();
        must(esp_store_load(store, add, &sum, &error), &error);
        double loaded = esp_clock_seconds();
        printf("%s\"%s\":{\"events\":%llu,\"open_seconds\":%.3f,\"load_seconds\":%.3f,"
               "\"peak_growth_kib\":%ld}",
               separator,
               name,
               (unsigned long long)sum.count,
               opened - start,
               loaded - opened,
               peak_kib() - before);
        fflush(stdout);
        esp_store_close(store);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0) {
        exit(1);
    }
}

static void read_back(const char *dir)
{
    struct esp_reader *reader = NULL;
    struct esp_reader_study study;
    struct esp_reader_totals totals;
    struct esp_error error = {""};
    struct sum best = {0}, list = {0}, curves = {0};
    double start = esp_clock_seconds();
    must(esp_reader_open(dir, &reader, &error), &error);
    must(esp_reader_study(reader, &study, &error), &error);
    must(esp_reader_totals(reader, &totals, &error), &error);
    must(esp_reader_best(reader, 10, add_trial, &best, &error), &error);
    double status = esp_clock_seconds();
    must(esp_reader_trials(reader, add_trial, &list, &error), &error);
    double listed = esp_clock_seconds();
    must(esp_reader_curves(reader, -1, add, &curves, &error), &error);
    double ended = esp_clock_seconds();
    printf("\"read\":{\"status_seconds\":%.3f,\"ls_seconds\":%.3f,\"curves_seconds\":%.3f}",
           status - start,
           listed - status,
           ended - listed);
    esp_reader_close(reader);
}

static int64_t number(const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*end || value < 1) {
        fprintf(stderr, "bench_store: not a count: %s\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    struct options options = {".", 10000, 100, 100000};
    char dir[5000];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--dir") == 0) {
            options.dir = argv[i + 1];
        } else if (strcmp(argv[i], "--trials") == 0) {
            options.trials = number(argv[i + 1]);
        } else if (strcmp(argv[i], "--points") == 0) {
            options.points = number(argv[i + 1]);
        } else if (strcmp(argv[i], "--rows") == 0) {
            options.rows = number(argv[i + 1]);
        } else {
            fprintf(stderr, "bench_store: unknown option %s\n", argv[i]);
            return 2;
        }
    }
    printf("{\"durable\":{");
    durable(&options, 1, "");
    durable(&options, 10, ",");
    durable(&options, 100, ",");
    durable(&options, 256, ",");
    printf("},\"trials\":%lld,\"points\":%lld,\"resume\":{",
           (long long)options.trials,
           (long long)options.points);
    snprintf(dir, sizeof dir, "%s/bench-resume", options.dir);
    remove_study(dir);
    write_long(&options, dir, options.trials);
    resume(dir, "all_at_once", "");
    remove_study(dir);
    write_long(&options, dir, 64);
    resume(dir, "64_at_once", ",");
    printf("},");
    read_back(dir);
    printf("}\n");
    remove_study(dir);
    return 0;
}
