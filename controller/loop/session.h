/* A study opened for a controller: DIR is locked, the ledger is open, and the core is folded
 * from it. */
#ifndef ESPALIER_LOOP_SESSION_H
#define ESPALIER_LOOP_SESSION_H

#include "../core/core.h"
#include "../store/store.h"
#include "calibration.h"

/* Settings that may be changed in the study file between runs. */
#define ESP_CHANGES_MAX 8

struct esp_session_options {
    const char *dir;  /* made if it does not exist */
    const char *file; /* the study file's path, for messages; NULL when resuming */
    const char *base; /* absolute folder of the file; NULL when resuming */
    /* The content of the file. The session owns it, even if opening fails. NULL: DIR must hold
     * a study. */
    struct esp_study *study;
    int64_t workers; /* --workers; 0: as the study says */
};

struct esp_session {
    char dir[ESP_PATH_MAX]; /* absolute */
    struct esp_study *study;
    struct esp_store *store;
    struct esp_core *core;
    struct esp_core_options options;
    int lock;
    bool created; /* the ledger is new */
    /* For a study that has never been opened; recorded with its first events. */
    struct esp_calibration calibration;
    bool gathered; /* `calibration` is set */
    /* Settings that differ between the file and the ledger, for a SET command. */
    struct esp_setting changes[ESP_CHANGES_MAX];
    uint32_t change_count;
};

/* Opens the study in DIR, or begins it there. -EBUSY: another controller holds DIR. -EINVAL:
 * DIR holds another study (the error names the key that differs and what to do), or the study
 * is not valid. Others as esp_store_open. */
int esp_session_open(const struct esp_session_options *options,
                     struct esp_session *session,
                     struct esp_error *error);
void esp_session_close(struct esp_session *session);

/* Rebuilds the core from the ledger after a failed commit. `reopen`: closes the store and opens
 * it again first, which verifies it. */
int esp_session_rebuild(struct esp_session *session, bool reopen, struct esp_error *error);

#endif
