#include "session.h"

#include "../money/price.h"
#include "../study/study.h"
#include "../system/files.h"
#include "../system/random.h"

#include <assert.h>
#include <errno.h>
#include <espalier/clock.h>
#include <espalier/live_setting.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fold_event(void *context, const struct esp_event *event)
{
    return esp_core_apply(context, event, NULL);
}

/* Folds the ledger into a new core. */
static int load_core(struct esp_session *session, struct esp_error *error)
{
    struct esp_core *core = NULL;
    int rc = esp_core_create(session->study, &session->options, &core, error);
    if (rc < 0) {
        return rc;
    }
    struct esp_error inner = {{0}};
    rc = esp_store_load(session->store, fold_event, core, &inner);
    if (rc < 0) {
        esp_core_destroy(core);
        return esp_error_set(error,
                             rc,
                             "%s: the record cannot be read: %s",
                             session->dir,
                             inner.text[0] ? inner.text : strerror(-rc));
    }
    session->core = core;
    return 0;
}

/* Reads the study from the text in the ledger, which determines the core's decisions. */
static int read_ledger_study(struct esp_session *session, struct esp_error *error)
{
    const char *file = esp_store_study_file(session->store);
    int rc = esp_study_read_text(esp_store_study_source(session->store),
                                 file && file[0] ? file : "study",
                                 esp_store_study_base(session->store),
                                 &session->study,
                                 NULL,
                                 error);
    if (rc == 0) {
        esp_study_apply_format(session->study, esp_store_begun_format(session->store));
    }
    return rc;
}

static int open_ledger(struct esp_session *session, struct esp_error *error)
{
    int rc = esp_store_open(session->dir, NULL, &session->store, error);
    if (rc == 0 && !session->study) {
        rc = read_ledger_study(session, error);
    }
    rc = rc < 0 ? rc : esp_store_bind(session->store, session->study, error);
    if (rc == 0) {
        session->options.nonce = esp_store_nonce(session->store);
    }
    return rc;
}

static void add_change(struct esp_session *session, enum esp_live_setting setting, double value)
{
    assert(session->change_count < ESP_CHANGES_MAX);
    session->changes[session->change_count++] = (struct esp_setting){
        .name = esp_live_settings[setting].name,
        .value = {.type = ESP_VALUE_REAL, .real = value, .integer = (int64_t)value},
    };
}

/* Lists the settings of the file that differ from the ledger with its recorded changes. */
static void find_changes(struct esp_session *session, const struct esp_study *file)
{
    struct esp_core_totals now = esp_core_totals(session->core);
    if (file->run_cap != now.run_cap) {
        add_change(session, ESP_LIVE_RUN_CAP, (double)file->run_cap);
    }
    if (file->workers != session->study->workers) {
        add_change(session, ESP_LIVE_WORKERS, (double)file->workers);
    }
    if (file->budget.tokens != now.budget.tokens) {
        add_change(session, ESP_LIVE_BUDGET_TOKENS, file->budget.tokens);
    }
    if (file->budget.seconds != now.budget.seconds) {
        add_change(session, ESP_LIVE_BUDGET_HOURS, file->budget.seconds / ESP_SECONDS_PER_HOUR);
    }
    if (file->budget.usd != now.budget.usd) {
        add_change(session, ESP_LIVE_BUDGET_USD, file->budget.usd);
    }
}

static int create_ledger(struct esp_session *session,
                         const struct esp_session_options *options,
                         struct esp_error *error)
{
    struct esp_store_origin origin = {
        .file = options->file,
        .base = options->base,
        .nonce = esp_system_random(),
        .time_ms = esp_clock_wall_ms(),
    };
    /* Test with a core first, so that a study which it refuses leaves no ledger. */
    struct esp_core *core = NULL;
    session->options.nonce = origin.nonce;
    int rc = esp_core_create(session->study, &session->options, &core, error);
    esp_core_destroy(core);
    if (rc < 0) {
        return rc;
    }
    session->created = true;
    return esp_store_create(
        session->dir, session->study, &origin, NULL, &session->store, error);
}

/* Gathers the calibration before a study is opened for the first time; it is recorded then and
 * never changes. */
static int
gather(struct esp_session *session, const char *file, const char *base, struct esp_error *error)
{
    session->gathered = session->study->stopping.risk > 0;
    return esp_calibration_gather(
        session->study, session->dir, file, base, &session->calibration, error);
}

static int open_existing(struct esp_session *session,
                         const struct esp_session_options *options,
                         struct esp_error *error)
{
    int rc = open_ledger(session, error);
    if (rc < 0) {
        return rc;
    }
    struct esp_error inner = {{0}};
    if (options->study) {
        esp_study_apply_format(options->study, esp_store_begun_format(session->store));
    }
    if (options->study && esp_study_same_search(session->study, options->study, &inner) < 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s holds another study than %s: %s\nChoose another folder with "
                             "--dir, or continue the study there: espalier resume %s",
                             options->dir,
                             options->file,
                             inner.text,
                             options->dir);
    }
    rc = load_core(session, error);
    struct esp_core_totals totals =
        rc == 0 ? esp_core_totals(session->core) : (struct esp_core_totals){.calibrated = true};
    if (rc == 0 && totals.incarnation == 0 && !totals.calibrated) {
        rc = gather(session,
                    esp_store_study_file(session->store),
                    esp_store_study_base(session->store),
                    error);
    }
    if (rc == 0 && options->study) {
        find_changes(session, options->study);
    }
    return rc;
}

static int make_dir(struct esp_session *session,
                    const struct esp_session_options *options,
                    struct esp_error *error)
{
    if (options->study) {
        int rc = esp_files_make_dir(options->dir, error);
        if (rc < 0) {
            return rc;
        }
    } else if (!esp_store_exists(options->dir)) {
        return esp_error_set(error,
                             -ENOENT,
                             "%s: holds no study. Start one with: espalier run STUDY.yaml",
                             options->dir);
    }
    char *path = realpath(options->dir, NULL);
    if (!path) {
        return esp_error_set(error, -errno, "%s: %s.", options->dir, strerror(errno));
    }
    int length = snprintf(session->dir, sizeof session->dir, "%s", path);
    free(path);
    return length < (int)sizeof session->dir
               ? 0
               : esp_error_set(error, -ENAMETOOLONG, "%s: the path is too long.", options->dir);
}

int esp_session_open(const struct esp_session_options *options,
                     struct esp_session *session,
                     struct esp_error *error)
{
    struct esp_study *file = options->study;
    *session = (struct esp_session){.lock = -1, .options = {.workers = options->workers}};
    int rc = make_dir(session, options, error);
    rc = rc < 0 ? rc : esp_store_lock(session->dir, &session->lock, error);
    if (rc < 0) {
        goto out;
    }
    if (esp_store_exists(session->dir)) {
        rc = open_existing(session, options, error);
    } else if (!file) {
        rc = esp_error_set(error, -ENOENT, "%s: holds no study.", options->dir);
    } else {
        session->study = file;
        file = NULL;
        rc = gather(session, options->file, options->base, error);
        rc = rc < 0 ? rc : create_ledger(session, options, error);
        rc = rc < 0 ? rc : load_core(session, error);
    }
out:
    esp_study_destroy(file);
    if (rc < 0) {
        esp_session_close(session);
    }
    return rc;
}

void esp_session_close(struct esp_session *session)
{
    esp_core_destroy(session->core);
    esp_store_close(session->store);
    esp_study_destroy(session->study);
    esp_calibration_release(&session->calibration);
    if (session->lock >= 0) {
        close(session->lock);
    }
    *session = (struct esp_session){.lock = -1};
}

int esp_session_rebuild(struct esp_session *session, bool reopen, struct esp_error *error)
{
    esp_core_destroy(session->core);
    session->core = NULL;
    if (reopen) {
        esp_store_close(session->store);
        session->store = NULL;
        int rc = open_ledger(session, error);
        if (rc < 0) {
            return rc;
        }
    } else {
        esp_store_rollback(session->store);
    }
    return load_core(session, error);
}
