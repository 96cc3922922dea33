/* Training of several configuration files without a controller, for cmd_train.c. */
#ifndef ESPALIER_TRIAL_TRAIN_H
#define ESPALIER_TRIAL_TRAIN_H

#include <espalier/error.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct esp_kernels;

struct train_options {
    const char *out;    /* folder of checkpoints; NULL: none unless interrupted */
    const char *resume; /* checkpoint, or NULL */
    const char *device;
    int64_t until; /* tokens; 0: the horizon */
    int together;  /* 0: as many as the device hosts */
    bool json;
    const volatile sig_atomic_t *interrupts; /* not 0: save everything and return */
};

struct train_run;

/* Reads and checks the files. Fails like esp_config_read; -ENOMEM. *run is set on success.
 * `options` and `paths` are borrowed. */
int esp_train_open(const struct train_options *options,
                   int count,
                   char **paths,
                   struct train_run **run,
                   struct esp_error *error);

/* Trains all files to their ends, or until interrupted, and prints their reports. `finished`
 * receives the number of files that reached their horizon or `until`. Fails like the functions
 * of group.h. */
int esp_train_all(struct train_run *run,
                  struct esp_kernels *kernels,
                  int *finished,
                  struct esp_error *error);

/* NULL is allowed. */
void esp_train_close(struct train_run *run);

#endif
