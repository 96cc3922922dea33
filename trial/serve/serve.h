/* A long-lived trial process: it takes one trial after another from the controller, or several
 * at once (DESIGN 1, 6).
 *
 * Its life:
 *   Assign     settings are made and checked, the group of that shape is found or built, the
 *              member begins or resumes: Started. What is wrong with one trial (its data, a
 *              checkpoint of another model, memory) is told in Failed and Released, and the
 *              process lives on.
 *   training   one piece of work of all members between two looks at the messages; Report at
 *              each report point, a save when the last one is older than checkpoint_seconds.
 *   directives CONTINUE goes on, SAVE saves, PAUSE saves and releases, STOP releases, `keep`
 *              saving first. A save that fails is told and the attempt lives on; after STOP it
 * is released all the same. Fenced     the member is dropped unsaved. leaving    on SIGTERM, or
 * when the lease is over: every member is saved and released.
 *
 * Checkpoints are DIR/checkpoints/TRIAL/ATTEMPT-TOKENS. */
#ifndef TRIAL_SERVE_H
#define TRIAL_SERVE_H

#include <espalier/error.h>
#include <espalier/kernels.h>
#include <stdint.h>

struct esp_serve_options {
    const char *endpoint;
    uint64_t key;
    uint64_t study;
    const char *dir;    /* absolute */
    const char *device; /* as told in Hello */
    int leave_fd;       /* readable: save and leave (a signalfd) */
};

/* Serves until it is to leave. 0: it left as asked, or because its lease was over; -EPERM: the
 * controller refused it; -ESTALE and other errno: it could not start, or the device failed. */
int esp_serve(const struct esp_serve_options *options,
              const struct esp_kernels *kernels,
              struct esp_error *error);

#endif
