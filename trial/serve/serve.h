/* A long-lived trial process: it trains one trial after another, or several at once, as the
 * controller assigns them.
 *
 *   - Assign: the settings are made and checked, a group of that shape is found or made, and
 *     the member begins or resumes; Started is sent. A fault of one trial (its data, a
 *     checkpoint of another model, memory) is reported by Failed and Released, and the process
 *     continues.
 *   - Training: between two looks at the messages every group does one piece of work. A Report
 *     is sent at each report point. A member is saved when its last checkpoint is older than
 *     checkpoint_seconds.
 *   - Direct: CONTINUE trains until the given point, SAVE saves, PAUSE saves and releases,
 *     STOP releases, after saving if `keep` is set. A save that fails is reported and the
 *     attempt continues, except after STOP, which releases it in any case.
 *   - Fenced: the member is dropped without saving.
 *   - SIGTERM, or the end of the lease: every member is saved and released, and the process
 *     exits.
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
    const char *device; /* sent in the Hello */
    int leave_fd;       /* becomes readable when the process must save and exit (a signalfd) */
};

/* Serves until it must exit. 0: on request, or because the lease was over; -EPERM: the
 * controller refused this process; other -errno: it could not start, or the device failed. */
int esp_serve(const struct esp_serve_options *options,
              const struct esp_kernels *kernels,
              struct esp_error *error);

#endif
