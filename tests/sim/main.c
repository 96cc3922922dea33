/* sim [--seeds N] [--from N] [--seed N] [--verbose]: runs seeds, prints the first failing one
 * with the command that repeats it; the last line is a tally. ESPALIER_SEEDS is the default of
 * --seeds. */
#include "sim.h"

#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FAILURES_SHOWN 5

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static void remove_folder(const char *path)
{
    nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int usage(const char *program)
{
    fprintf(
        stderr, "usage: %s [--seeds N] [--from N] [--seed N] [--verbose] [--stop]\n", program);
    return 2;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seeds", required_argument, NULL, 'n'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"stop", no_argument, NULL, 'x'},
                                            {NULL, 0, NULL, 0}};
    const char *given = getenv("ESPALIER_SEEDS");
    unsigned long long seeds = given ? strtoull(given, NULL, 10) : 2000, from = 1;
    struct sim_options sim = {0};
    bool stop = false;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'n':
            seeds = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            from = strtoull(optarg, NULL, 10);
            break;
        case 's':
            from = strtoull(optarg, NULL, 10);
            seeds = 1;
            break;
        case 'x':
            stop = true;
            break;
        case 'v':
            sim.verbose = true;
            break;
        default:
            return usage(argv[0]);
        }
    }
    /* Ledgers in memory where possible: the simulation does not test the disk. */
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char top[64], folder[128];
    snprintf(top, sizeof top, "%s/espalier-sim-XXXXXX", parent);
    if (!mkdtemp(top)) {
        fprintf(stderr, "%s: %s\n", top, strerror(errno));
        return 1;
    }
    unsigned long long failed = 0;
    unsigned long long done = 0;
    for (unsigned long long i = 0; i < seeds && !(stop && failed); i++, done++) {
        snprintf(folder, sizeof folder, "%s/%llu", top, from + i);
        mkdir(folder, 0700);
        sim.folder = folder;
        if (sim_run(from + i, &sim)) {
            if (failed++ < FAILURES_SHOWN) {
                printf("  repeat it with: %s --seed %llu --verbose\n", argv[0], from + i);
            }
        }
        remove_folder(folder);
    }
    remove_folder(top);
    printf("%llu passed, %llu failed\n", done - failed, failed);
    return failed > 0;
}
