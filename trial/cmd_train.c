/* espalier-trial train: trains the given files without a controller.
 *
 * Files with the same shapes share a group, up to the number of members that the device hosts;
 * the others follow. Each file has a checkpoint OUT/NAME.ckpt, which is replaced during
 * training. */
#include "commands.h"
#include "device.h"
#include "train.h"

#include <errno.h>
#include <espalier/kernels.h>
#include <espalier/limits.h>
#include <getopt.h>
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
    "Trains the built-in transformer with the settings of each file, a study file that needs\n"
    "only `trainer` and single-valued `parameters`. Prints one line per report.\n"
    "\n"
    "  --out DIR        folder of NAME.ckpt (default: no checkpoint; if interrupted, the\n"
    "                   current folder)\n"
    "  --resume FILE    continue from this checkpoint (one CONFIG only)\n"
    "  --until N        stop at the first step with N tokens or more, and save when --out "
    "is given\n"
    "  --together K     train up to K files of the same shapes side by side\n"
    "                   (default: what the device hosts; 1 on a CPU)\n"
    "  --device D       auto, cpu, cuda or cuda:N (default: auto)\n"
    "  --json           one JSON object per report\n"
    "  --help           this text\n"
    "\n"
    "Ctrl-C saves and exits with status 5; a second one ends at once with 130.\n"
    "Exit status: 0 done, 1 failure, 2 usage, configuration or data, 3 all diverged,\n"
    "5 interrupted and resumable.\n";

static volatile sig_atomic_t interrupts;

static void on_signal(int number)
{
    (void)number;
    if (++interrupts > 1) {
        _exit(ESP_EXIT_KILLED);
    }
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
static int parse(int argc, char **argv, struct train_options *options)
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
    *options = (struct train_options){.device = "auto", .interrupts = &interrupts};
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
            fputs("See 'espalier-trial train --help'.\n", stderr);
            return -1;
        }
        if (!good) {
            fprintf(stderr, "espalier-trial train: '%s' is not a valid number\n", optarg);
            return -1;
        }
    }
    int configs = argc - optind;
    if (configs < 1 || configs > CONFIGS_MAX) {
        fprintf(stderr, "espalier-trial train: give 1 to %d files\n\n%s", CONFIGS_MAX, usage);
        return -1;
    }
    if (options->resume && configs > 1) {
        fputs("espalier-trial train: --resume allows only one file\n", stderr);
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
    struct train_options options;
    struct train_run *run = NULL;
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {""};
    int finished = 0;
    int parsed = parse(argc, argv, &options);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    int rc = esp_train_open(&options, argc - optind, argv + optind, &run, &error);
    if (rc == 0 && options.out && mkdir(options.out, 0777) != 0 && errno != EEXIST) {
        rc = -errno;
        esp_error_set(&error, rc, "cannot create '%s': %s", options.out, strerror(-rc));
    }
    if (rc == 0) {
        rc = esp_device_open(options.device, &kernels, &error);
    }
    if (rc == 0) {
        catch_signals();
        rc = esp_train_all(run, kernels, &finished, &error);
    }
    esp_train_close(run);
    esp_kernels_close(kernels);
    if (rc != 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return esp_command_status(rc);
    }
    if (interrupts) {
        return ESP_EXIT_PAUSED;
    }
    return finished == 0 ? ESP_EXIT_NO_TRIAL : ESP_EXIT_DONE;
}
