/* espalier-trial bench: training speed of a configuration on this machine, measured with the
 * loop that trials run, and compared with the speed of products in the same run. */
#include "commands.h"
#include "device.h"
#include "group.h"
#include "model/model.h"
#include "peak.h"

#include <errno.h>
#include <espalier/clock.h>

#include <espalier/config.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Updates of every member before the measurement, to warm up pages, caches and the capture of
 * graphs. */
#define WARM_UPDATES 3

/* Share of the time that is spent on measuring the peak of products. */
#define PEAK_SHARE 0.2

static const char usage[] =
    "usage: espalier-trial bench CONFIG.yaml [options]\n"
    "\n"
    "Measures training (data, forward, backward, optimizer; no validation) in tokens per\n"
    "second, and the device's peak of matrix products in the same run.\n"
    "\n"
    "  --members K      trials side by side (default: 1)\n"
    "  --seconds S      time to measure (default: 5)\n"
    "  --device D       auto, cpu, cuda or cuda:N (default: auto)\n"
    "  --no-peak        do not measure the peak of products, which uses the whole device: for\n"
    "                   several processes side by side; peak_fraction is null\n"
    "  --json           one JSON object\n"
    "  --help           this text\n";

struct options {
    const char *config;
    const char *device;
    int members;
    double seconds;
    bool peak;
    bool json;
};

struct figures {
    double tokens_per_second;
    double flops_per_token;
    double peak;
    int64_t params;
    enum esp_precision precision;
};

static int64_t tokens_done(const struct esp_group *group)
{
    int64_t tokens = 0;
    for (int slot = 0; slot < esp_group_slots(group); slot++) {
        tokens += esp_group_point(group, slot).tokens;
    }
    return tokens;
}

static int
check_finite(const struct esp_group_event *events, int count, int rc, struct esp_error *error)
{
    for (int i = 0; i < count && rc == 0; i++) {
        if (events[i].what & ESP_GROUP_NOT_FINITE) {
            rc = esp_error_set(error, -EINVAL, "training diverged; lower learning_rate");
        }
    }
    return rc;
}

static int step_once(struct esp_group *group, struct esp_error *error)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count;
    int rc = esp_group_step(group, events, &count, error);
    if (rc > 0) {
        return esp_error_set(error, -EIO, "training ended before it could be measured");
    }
    return check_finite(events, count, rc, error);
}

/* Waits until everything that was enqueued is done. */
static int wait_all(struct esp_group *group, struct esp_error *error)
{
    struct esp_group_event events[ESP_MEMBERS_MAX];
    int count = 0;
    int rc = esp_group_collect(group, events, &count, error);
    return check_finite(events, count, rc, error);
}

/* Runs for the given time. Ends with a whole update of every member, so that the counted tokens
 * belong to the measured time. */
static int
measure(struct esp_group *group, double seconds, double *rate, struct esp_error *error)
{
    int64_t warm = 0;
    int rc = 0;
    for (int slot = 0; slot < esp_group_slots(group); slot++) {
        const struct esp_trainer *trainer = esp_group_trainer(group, slot);
        warm += WARM_UPDATES * trainer->batch_size * trainer->context;
    }
    while (rc == 0 && tokens_done(group) < warm) {
        rc = step_once(group, error);
    }
    rc = rc == 0 ? wait_all(group, error) : rc;
    int64_t first = tokens_done(group), done = first, before;
    double start = esp_clock_seconds(), elapsed = 0;
    do {
        before = done;
        rc = rc == 0 ? step_once(group, error) : rc;
        done = tokens_done(group);
        elapsed = esp_clock_seconds() - start;
    } while (rc == 0 && (elapsed < seconds || done == before));
    rc = rc == 0 ? wait_all(group, error) : rc;
    elapsed = esp_clock_seconds() - start;
    *rate = (double)(done - first) / elapsed;
    return rc;
}

/* Keeps the better of this measurement and the earlier ones: on a shared machine one may fall
 * into a busy moment. */
static int measure_peak(const struct options *options,
                        const struct esp_kernels *kernels,
                        double *peak,
                        struct esp_error *error)
{
    double now = 0;
    int rc = 0;
    if (options->peak) {
        rc = esp_peak_measure(kernels, options->seconds * PEAK_SHARE / 2, &now, error);
    }
    *peak = now > *peak ? now : *peak;
    return rc;
}

static int bench(const struct options *options,
                 const struct esp_trainer *trainer,
                 const struct esp_kernels *kernels,
                 struct figures *figures,
                 struct esp_error *error)
{
    struct esp_group *group = NULL;
    struct esp_trainer member = *trainer;
    /* A constant schedule without end or reports: 2^52 tokens are never reached. */
    member.tokens = INT64_C(1) << 52;
    member.report_every = member.tokens;
    member.schedule = ESP_SCHEDULE_CONSTANT;
    member.warmup = 0;
    int rc = esp_group_create(kernels, &member, options->members, &group, error);
    if (rc == 0 && esp_group_slots(group) < options->members) {
        rc = esp_error_set(error,
                           -ENOMEM,
                           "the device has room for %d of %d members; lower --members",
                           esp_group_slots(group),
                           options->members);
    }
    for (int slot = 0; slot < options->members && rc == 0; slot++) {
        member.seed = trainer->seed + slot;
        rc = esp_group_join(group, slot, &member, NULL, error);
    }
    if (rc == 0) {
        struct esp_model *model = esp_group_model(group);
        kernels = esp_group_kernels(group); /* in the trainer's precision */
        figures->precision = kernels->precision;
        figures->params = esp_model_count(model);
        figures->flops_per_token = esp_model_flops_per_token(esp_model_shape(model));
        rc = measure_peak(options, kernels, &figures->peak, error);
    }
    if (rc == 0) {
        rc = measure(group, options->seconds, &figures->tokens_per_second, error);
    }
    if (rc == 0) {
        rc = measure_peak(options, kernels, &figures->peak, error);
    }
    esp_group_destroy(group);
    return rc;
}

static const char *precision_name(enum esp_precision precision)
{
    return esp_trainer_field("precision")->names[precision];
}

/* Device names come from the system; quotes and the like would break the JSON. */
static void print_text(const char *text)
{
    for (const char *c = text; *c; c++) {
        putchar(*c == '"' || *c == '\\' || (unsigned char)*c < ' ' ? ' ' : *c);
    }
}

static void print_figures(const struct options *options,
                          const struct esp_kernels *kernels,
                          const struct figures *f)
{
    double flops = f->tokens_per_second * f->flops_per_token;
    if (!options->json) {
        printf("%s (%s), %s, %" PRId64 " parameters, %d member%s\n"
               "%.0f tokens/s, %.4g FLOP/token, %.4g FLOP/s",
               kernels->name,
               kernels->device,
               precision_name(f->precision),
               f->params,
               options->members,
               options->members == 1 ? "" : "s",
               f->tokens_per_second,
               f->flops_per_token,
               flops);
        if (options->peak) {
            printf(", %.1f %% of the products' %.4g", 100 * flops / f->peak, f->peak);
        }
        printf("\n");
        return;
    }
    printf("{\"device\":\"%s: ", kernels->name);
    print_text(kernels->device);
    printf("\",\"precision\":\"%s\",\"params\":%" PRId64 ",\"members\":%d,"
           "\"tokens_per_second\":%.1f,\"flops_per_token\":%.0f,\"flops_per_second\":%.5g,",
           precision_name(f->precision),
           f->params,
           options->members,
           f->tokens_per_second,
           f->flops_per_token,
           flops);
    if (options->peak) {
        printf("\"peak_fraction\":%.4f}\n", flops / f->peak);
    } else {
        printf("\"peak_fraction\":null}\n");
    }
}

/* 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, struct options *options)
{
    enum { MEMBERS = 1, SECONDS, DEVICE, NO_PEAK, JSON, HELP };
    static const struct option table[] = {
        {"members", required_argument, NULL, MEMBERS},
        {"seconds", required_argument, NULL, SECONDS},
        {"device", required_argument, NULL, DEVICE},
        {"no-peak", no_argument, NULL, NO_PEAK},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int option;
    char *end = "";
    *options = (struct options){.device = "auto", .members = 1, .seconds = 5, .peak = true};
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case MEMBERS:
            options->members = (int)strtol(optarg, &end, 10);
            break;
        case SECONDS:
            options->seconds = strtod(optarg, &end);
            break;
        case DEVICE:
            options->device = optarg;
            break;
        case NO_PEAK:
            options->peak = false;
            break;
        case JSON:
            options->json = true;
            break;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            fputs("See 'espalier-trial bench --help'.\n", stderr);
            return -1;
        }
        if (*end != '\0' || options->members < 1 || options->members > ESP_MEMBERS_MAX ||
            !(options->seconds > 0 && options->seconds <= 86400)) {
            fprintf(stderr, "espalier-trial bench: '%s' is not a valid number\n", optarg);
            return -1;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "espalier-trial bench: give one file\n\n%s", usage);
        return -1;
    }
    options->config = argv[optind];
    return 0;
}

int esp_command_bench(int argc, char **argv)
{
    struct options options;
    struct esp_trainer trainer;
    struct esp_kernels *kernels = NULL;
    struct figures figures = {0};
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &options);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    int rc = esp_config_read(options.config, &trainer, &error);
    if (rc == 0) {
        rc = esp_trainer_validate(&trainer, &error);
    }
    if (rc == 0) {
        rc = esp_device_open(options.device, &kernels, &error);
    }
    if (rc == 0) {
        rc = bench(&options, &trainer, kernels, &figures, &error);
    }
    if (rc == 0) {
        print_figures(&options, kernels, &figures);
    }
    esp_kernels_close(kernels);
    if (rc != 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return esp_command_status(rc);
    }
    return ESP_EXIT_DONE;
}
