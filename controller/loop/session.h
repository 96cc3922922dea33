/* A study opened for a controller: DIR held, the ledger open, the core folded from it. */
#ifndef ESPALIER_LOOP_SESSION_H
#define ESPALIER_LOOP_SESSION_H

#include "../core/core.h"
#include "../store/store.h"
#include "calibration.h"

/* Settings that the study file may change between runs. */
#define ESP_CHANGES_MAX 8

struct esp_session_options {
    const char *dir;  /* made when it is not there */
    const char *file; /* the study file's path, for messages; NULL when resuming */
    const char *base; /* absolute folder of the file; NULL when resuming */
    /* What the file says; given to the session, whatever becomes of it. NULL: DIR must hold a
     * study. */
    struct esp_study *study;
    int64_t workers; /* --workers; 0: the study's */
};

struct esp_session {
    char dir[ESP_PATH_MAX]; /* absolute */
    struct esp_study *study;
    struct esp_store *store;
    struct esp_core *core;
    struct esp_core_options options;
    int lock;
    bool created; /* a new ledger */
    /* Gathered for a study that has never been opened: recorded with its first events. */
    struct esp_calibration calibration;
    bool gathered;
    /* What the file says otherwise than the ledger, for a SET command. */
    struct esp_setting changes[ESP_CHANGES_MAX];
    uint32_t change_count;
};

/* -EBUSY: another controller holds DIR. -EINVAL: DIR holds another search (the error names the
 * key that differs and what to do), or the study asks for what cannot be had. Others as
 * esp_store_open. */
int esp_session_open(const struct esp_session_options *options,
                     struct esp_session *session,
                     struct esp_error *error);
void esp_session_close(struct esp_session *session);

/* Builds the core anew from the ledger, after a commit that failed. With `reopen` the store is
 * closed and opened first, which verifies it. */
int esp_session_rebuild(struct esp_session *session, bool reopen, struct esp_error *error);

#endif
