/* espalier run and espalier resume: start a controller. */
#include "../loop/loop.h"
#include "../stop/discard.h"
#include "../study/study.h"
#include "../system/terminal.h"
#include "../view/discards.h"
#include "../view/ending.h"
#include "../view/ledger.h"
#include "../view/summary.h"
#include "output.h"
#include "progress.h"
#include "source.h"
#include "verb.h"

#include <errno.h>
#include <espalier/config.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Explains an exit code that the results alone do not explain. PAUSED because of trials that
 * the user paused (`held`) is explained with them. */
static void explain_code(int code, bool held, const char *dir)
{
    switch (code) {
    case ESP_EXIT_FAILURE:
        fprintf(
            stderr,
            "espalier: the search failed; the messages above and the logs in %s/logs say why. "
            "Continue it with: espalier resume %s\n",
            dir,
            dir);
        break;
    case ESP_EXIT_NO_TRIAL:
        fprintf(
            stderr, "espalier: no trial is usable; `espalier ls %s` lists the trials.\n", dir);
        break;
    case ESP_EXIT_BUDGET:
        fprintf(
            stderr,
            "espalier: the budget is spent. To continue, raise it in the study file and run "
            "again.\n");
        break;
    case ESP_EXIT_PAUSED:
    case ESP_EXIT_KILLED:
        if (!held) {
            fprintf(stderr, "espalier: interrupted; continue with: espalier resume %s\n", dir);
        }
        break;
    default:
        break;
    }
}

/* Explains how the search ended where the results do not, and names the trials that the user
 * paused. */
static int explain_end(int code, const char *dir, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_buffer held = {0};
    int rc = code == ESP_EXIT_KILLED ? 0 : esp_ledger_open(dir, &ledger, error);
    if (rc == 0 && ledger.reader) {
        rc = esp_ending_held(&ledger, &held, error);
    }
    if (rc == 0 && held.size > 0) {
        fprintf(stderr, "espalier: %s", esp_buffer_get(&held));
    }
    explain_code(code, ledger.reason == ESP_END_HELD, dir);
    esp_buffer_release(&held);
    esp_ledger_close(&ledger);
    return rc;
}

/* Prints the calibration of discards: of a new study, or the recorded one. */
static void print_calibration(const struct esp_session *session,
                              const struct esp_core_totals *totals)
{
    struct esp_buffer out = {0};
    double risk = session->study->stopping.risk;
    if (session->gathered) {
        const struct esp_calibration *c = &session->calibration;
        esp_discards_calibration(
            risk, c->count, esp_discard_limit(c->scores, (int)c->count, risk), &out);
    } else if (totals->calibrated) {
        esp_discards_calibration(risk, totals->calibration, totals->discard_limit, &out);
    }
    if (out.size > 0 && !out.failed) {
        fprintf(stderr, "espalier: %s\n", esp_buffer_get(&out));
    }
    esp_buffer_release(&out);
}

static void print_start(const struct esp_session *session, const char *dir)
{
    struct esp_core_totals totals = esp_core_totals(session->core);
    uint32_t trials = esp_core_trial_count(session->core);
    if (session->created || trials == 0) {
        fprintf(stderr, "espalier: starting %s in %s\n", session->study->name, dir);
        esp_source_warn(session->study);
    } else {
        fprintf(stderr,
                "espalier: continuing %s in %s: %" PRIu32 " trials, %" PRIu32 " complete\n",
                session->study->name,
                dir,
                trials,
                totals.by_state[ESP_TRIAL_COMPLETE]);
    }
    print_calibration(session, &totals);
    fflush(stderr);
}

/* Prints what the search has found. */
static int print_summary(const char *dir, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_buffer out = {0};
    int code = ESP_EXIT_FAILURE;
    if (esp_ledger_open(dir, &ledger, error) == 0 &&
        esp_summary_text(&ledger,
                         esp_terminal_width(stdout),
                         esp_terminal_utf8(),
                         esp_terminal_color(stdout),
                         &out,
                         error) == 0) {
        code = esp_print(&out, error);
    }
    esp_buffer_release(&out);
    esp_ledger_close(&ledger);
    return code;
}

/* Runs a study, or resumes the one in DIR when `study` is NULL. Takes ownership of it. */
static int run_study(const struct esp_arguments *arguments,
                     const char *dir,
                     const char *file,
                     struct esp_study *study,
                     struct esp_error *error)
{
    struct esp_session session;
    struct esp_progress progress;
    char *base = malloc(ESP_PATH_MAX);
    int code;
    int rc = base ? 0 : esp_error_set(error, -ENOMEM, "out of memory.");
    rc = rc == 0 && file ? esp_config_folder(file, base, error) : rc;
    if (rc < 0) {
        esp_study_destroy(study);
        free(base);
        return esp_exit_of(rc);
    }
    struct esp_session_options options = {
        .dir = dir, .file = file, .base = base, .study = study, .workers = arguments->workers};
    rc = esp_session_open(&options, &session, error);
    free(base);
    if (rc < 0) {
        return esp_exit_of(rc);
    }
    print_start(&session, dir);
    esp_progress_init(&progress, session.study, dir);
    struct esp_loop_options loop = {
        .device = arguments->device,
        .dir_name = dir,
        .watcher = {&progress, esp_progress_update, esp_progress_print},
    };
    rc = esp_loop_run(&session, &loop, error);
    esp_progress_clear(&progress);
    esp_progress_release(&progress);
    esp_session_close(&session);
    if (rc < 0) {
        return esp_exit_of(rc) == ESP_EXIT_USAGE ? ESP_EXIT_FAILURE : esp_exit_of(rc);
    }
    code = rc;
    if (code != ESP_EXIT_KILLED) {
        rc = print_summary(dir, error);
        code = code == ESP_EXIT_DONE ? rc : code;
    }
    rc = explain_end(code, dir, error);
    return rc < 0 && code == ESP_EXIT_DONE ? esp_exit_of(rc) : code;
}

static int run(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_study *study = NULL;
    char name[ESP_NAME_MAX], dir[ESP_NAME_MAX + 8];
    const char *file = arguments->operands[0];
    int rc = esp_source_read(file, arguments->data, &study, error);
    if (rc < 0) {
        return ESP_EXIT_USAGE;
    }
    rc = esp_study_check_data(study, error);
    if (rc < 0) {
        esp_study_destroy(study);
        return ESP_EXIT_USAGE;
    }
    if (study->command) {
        esp_error_set(
            error,
            -ENOTSUP,
            "%s: this study runs its own program (`program` or `command`), which espalier "
            "cannot do yet. Only studies with a `trainer` can be run.",
            file);
        esp_study_destroy(study);
        return ESP_EXIT_USAGE;
    }
    esp_study_folder_name(study, name, sizeof name);
    snprintf(dir, sizeof dir, "runs/%s", name);
    return run_study(arguments, arguments->dir ? arguments->dir : dir, file, study, error);
}

static int resume(const struct esp_arguments *arguments, struct esp_error *error)
{
    return run_study(arguments, arguments->operands[0], NULL, NULL, error);
}

const struct esp_cli_verb esp_cli_row_run = {
    .name = "run",
    .operands = "STUDY.yaml",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Start a search, or continue an interrupted one",
    .details = "The study is kept in DIR, by default runs/NAME. If DIR already "
               "holds it, the search continues where it was interrupted. Only "
               "run_cap, budget and workers may have changed in the study file by "
               "then; a study file that differs otherwise is another search and "
               "needs another DIR.\n"
               "\n"
               "The first Ctrl-C saves every trial and exits with code 5. A second "
               "one exits at once with code 130. Either way nothing recorded is "
               "lost, and `espalier resume DIR` continues the search.",
    .options = {ESP_OPTION_DIR, ESP_OPTION_WORKERS, ESP_OPTION_DEVICE, ESP_OPTION_DATA},
    .main = run,
};

const struct esp_cli_verb esp_cli_row_resume = {
    .name = "resume",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Continue an interrupted search",
    .details = "The study file is not read again: DIR holds a copy of it, with the "
               "changes made by `espalier set`. A search that ended as planned "
               "continues if run_cap or a budget was raised, or a trial was "
               "continued.",
    .options = {ESP_OPTION_WORKERS, ESP_OPTION_DEVICE},
    .main = resume,
};
