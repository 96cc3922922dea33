/* espalier-trial serve: the trial process that an agent starts (serve.h). */
#include "../commands.h"
#include "../device.h"
#include "serve.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char usage[] =
    "usage: espalier-trial serve --connect ENDPOINT --key N --study N --dir DIR\n"
    "                            --device D [--slot N]\n"
    "\n"
    "Trains the trials that the controller at ENDPOINT assigns. The agent of a study starts "
    "it.\n"
    "It logs to standard error.\n"
    "\n"
    "  --connect ENDPOINT  address of the controller's socket, ipc://PATH\n"
    "  --key N             number of this process in the study\n"
    "  --study N           nonce of the study\n"
    "  --dir DIR           folder of the study, for checkpoints\n"
    "  --device D          cpu, or cuda:UUID (selected by CUDA_VISIBLE_DEVICES)\n"
    "  --slot N            number of the slot on this host; shown in process lists only\n"
    "  --help              this text\n"
    "\n"
    "On SIGTERM, and after a lease without a message from the controller, it saves its "
    "trials,\n"
    "reports to the controller and exits with status 0. Status 1: the device failed, or the\n"
    "controller refused this process; 2: usage.\n";

struct arguments {
    struct esp_serve_options serve;
    bool has_key, has_study;
};

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

/* Returns 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, struct arguments *a)
{
    enum { CONNECT = 1, KEY, STUDY, FOLDER, DEVICE, SLOT, HELP };
    static const struct option table[] = {
        {"connect", required_argument, NULL, CONNECT},
        {"key", required_argument, NULL, KEY},
        {"study", required_argument, NULL, STUDY},
        {"dir", required_argument, NULL, FOLDER},
        {"device", required_argument, NULL, DEVICE},
        {"slot", required_argument, NULL, SLOT},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    uint64_t slot;
    int option;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case CONNECT:
            a->serve.endpoint = optarg;
            break;
        case KEY:
            good = a->has_key = parse_number(optarg, &a->serve.key) && a->serve.key > 0;
            break;
        case STUDY:
            good = a->has_study = parse_number(optarg, &a->serve.study);
            break;
        case FOLDER:
            a->serve.dir = optarg;
            break;
        case DEVICE:
            a->serve.device = optarg;
            break;
        case SLOT:
            good = parse_number(optarg, &slot);
            break;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            fputs("Options are listed by: espalier-trial serve --help\n", stderr);
            return -1;
        }
        if (!good) {
            fprintf(stderr, "espalier-trial serve: '%s' is not a valid number\n", optarg);
            return -1;
        }
    }
    if (optind < argc || !a->serve.endpoint || !a->has_key || !a->has_study || !a->serve.dir ||
        !a->serve.device) {
        fprintf(stderr,
                "espalier-trial serve: arguments are missing, or there are too many\n\n%s",
                usage);
        return -1;
    }
    return 0;
}

/* Opens a descriptor for the signals that request an exit, so that they are handled between two
 * pieces of work. They are blocked before any thread is started. */
static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

int esp_command_serve(int argc, char **argv)
{
    struct arguments a = {0};
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &a);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_OK : ESP_EXIT_USAGE;
    }
    a.serve.leave_fd = open_signals();
    int rc = a.serve.leave_fd < 0
                 ? esp_error_set(&error, -errno, "signalfd: %s", strerror(errno))
                 : 0;
    if (rc == 0) {
        /* A process with the UUID of a GPU sees only that GPU. */
        bool cuda = strncmp(a.serve.device, "cuda:", 5) == 0;
        rc = esp_device_open(cuda ? "cuda" : a.serve.device, &kernels, &error);
    }
    if (rc == 0) {
        rc = esp_serve(&a.serve, kernels, &error);
    }
    esp_kernels_close(kernels);
    if (rc < 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return ESP_EXIT_FAILURE;
    }
    return ESP_EXIT_OK;
}
