/* espalier-trial serve: the trial process that an agent starts (serve.h). */
#include "../commands.h"
#include "../device.h"
#include "serve.h"

#include <errno.h>
#include <espalier/message.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const char usage[] =
    "usage: espalier-trial serve --connect ENDPOINT --dir DIR --device D [--slot N]\n"
    "\n"
    "Trains the trials that the controller at ENDPOINT assigns. The agent of a study starts "
    "it.\n"
    "It logs to standard error.\n"
    "\n"
    "  --connect ENDPOINT  address of the controller's socket, ipc://PATH\n"
    "  --dir DIR           folder of the study, for checkpoints\n"
    "  --device D          cpu, or cuda:UUID (selected by CUDA_VISIBLE_DEVICES)\n"
    "  --slot N            number of the slot on this host; shown in process lists only\n"
    "  --help              this text\n"
    "\n"
    "The environment names the process: " ESP_ENV_KEY " is its key, " ESP_ENV_STUDY
    "\nthe nonce of the study.\n"
    "\n"
    "On SIGTERM, and after a lease without a message from the controller, it saves its "
    "trials,\n"
    "reports to the controller and exits with status 0. Status 1: the device failed, or the\n"
    "controller refused this process; 2: usage.\n";

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && text[0] != '-';
}

/* Reads a number from the environment and removes it there, so that no child inherits it. */
static bool take_number(const char *name, uint64_t *out)
{
    const char *text = getenv(name);
    bool good = text && parse_number(text, out);
    unsetenv(name);
    return good;
}

static bool read_secrets(struct esp_serve_options *serve)
{
    bool key = take_number(ESP_ENV_KEY, &serve->key) && serve->key > 0;
    bool study = take_number(ESP_ENV_STUDY, &serve->study);
    if (!key || !study) {
        fprintf(stderr,
                "espalier-trial serve: %s is not set to a number; `espalier run` starts this "
                "command with it\n",
                key ? ESP_ENV_STUDY : ESP_ENV_KEY);
    }
    return key && study;
}

/* Returns 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, struct esp_serve_options *serve)
{
    enum { CONNECT = 1, FOLDER, DEVICE, SLOT, HELP };
    static const struct option table[] = {
        {"connect", required_argument, NULL, CONNECT},
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
            serve->endpoint = optarg;
            break;
        case FOLDER:
            serve->dir = optarg;
            break;
        case DEVICE:
            serve->device = optarg;
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
    if (optind < argc || !serve->endpoint || !serve->dir || !serve->device) {
        fprintf(stderr,
                "espalier-trial serve: arguments are missing, or there are too many\n\n%s",
                usage);
        return -1;
    }
    return read_secrets(serve) ? 0 : -1;
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
    struct esp_serve_options serve = {0};
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &serve);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    serve.leave_fd = open_signals();
    int rc =
        serve.leave_fd < 0 ? esp_error_set(&error, -errno, "signalfd: %s", strerror(errno)) : 0;
    if (rc == 0) {
        /* A process with the UUID of a GPU sees only that GPU. */
        bool cuda = strncmp(serve.device, "cuda:", 5) == 0;
        rc = esp_device_open(cuda ? "cuda" : serve.device, &kernels, &error);
    }
    if (rc == 0) {
        rc = esp_serve(&serve, kernels, &error);
    }
    esp_kernels_close(kernels);
    if (rc < 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return ESP_EXIT_FAILURE;
    }
    return ESP_EXIT_DONE;
}
