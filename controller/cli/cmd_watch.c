/* espalier watch: a table that redraws as the search moves, until q or Ctrl-C; printed once
 * where stdout is no terminal. */
#include "../system/terminal.h"
#include "../view/best.h"
#include "../view/results.h"
#include "../watch/follow.h"
#include "output.h"
#include "verb.h"

#include <espalier/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A controller that was killed writes nothing: look for that now and then. */
#define IDLE_LOOK_MS 5000

/* Live trials first, then the best, then the rest as they came. */
static int state_order(enum esp_trial_state state)
{
    switch (state) {
    case ESP_TRIAL_ASSIGNED:
    case ESP_TRIAL_RUNNING:
    case ESP_TRIAL_PAUSING:
    case ESP_TRIAL_STOPPING:
        return 0;
    case ESP_TRIAL_COMPLETE:
        return 1;
    case ESP_TRIAL_PAUSED:
        return 2;
    case ESP_TRIAL_QUEUED:
        return 3;
    default:
        return 4;
    }
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const struct esp_reader_trial *left = a, *right = b;
    bool maximize = *(const bool *)context;
    int order = state_order(left->state) - state_order(right->state);
    if (order != 0) {
        return order;
    }
    if (left->value == left->value && right->value == right->value &&
        left->value != right->value) {
        return (left->value < right->value) == maximize ? 1 : -1;
    }
    if ((left->value == left->value) != (right->value == right->value)) {
        return left->value == left->value ? -1 : 1;
    }
    return left->trial < right->trial ? -1 : left->trial > right->trial;
}

static int draw(struct esp_ledger *ledger,
                const char *dir,
                int width,
                int height,
                bool color,
                struct esp_buffer *out,
                struct esp_error *error)
{
    struct esp_rows rows = {0};
    struct esp_best best = {0};
    struct esp_reader_totals totals;
    int rc = esp_ledger_refresh(ledger, error);
    rc = rc < 0 ? rc : esp_reader_begin(ledger->reader, error);
    if (rc < 0) {
        return rc;
    }
    rc = esp_reader_totals(ledger->reader, &totals, error);
    rc = rc < 0 ? rc : esp_rows_load(ledger->reader, &rows, error);
    rc = rc < 0 ? rc : esp_best_load(ledger, 1, &best, error);
    esp_reader_end(ledger->reader);
    if (rc < 0) {
        goto out;
    }
    esp_buffer_addf(out, "%s  %s", ledger->study->name, esp_study_state_name(ledger->state));
    if (ledger->state == ESP_STUDY_INTERRUPTED) {
        esp_buffer_add(out, " (");
        esp_ledger_remedy(ledger, out);
        esp_buffer_add(out, ")");
    }
    esp_buffer_addf(out, "  %lld", (long long)totals.trials);
    if (ledger->run_cap > 0) {
        esp_buffer_addf(out, "/%lld", (long long)ledger->run_cap);
    }
    esp_buffer_add(out, " trials");
    if (best.rows.count > 0) {
        esp_buffer_add(out, "  best ");
        esp_best_value(&best, 0, 5, out);
        esp_buffer_addf(out, " (#%lld)", (long long)best.rows.trials[0].trial);
    }
    esp_buffer_add(out, "\n");
    esp_results_cost(ledger, &totals, out);
    esp_buffer_add(out, "\n");
    qsort_r(rows.trials, rows.count, sizeof *rows.trials, compare_rows, &ledger->maximize);
    size_t all = rows.count;
    if (height > 7 && rows.count > (size_t)height - 7) {
        rows.count = (size_t)height - 7; /* the rest is freed below */
    }
    esp_results_table(ledger, &rows, NULL, width, color, out);
    if (rows.count < all) {
        esp_buffer_addf(out, "… %zu more: espalier ls %s\n", all - rows.count, dir);
    }
    rows.count = all;
out:
    esp_best_release(&best);
    esp_rows_release(&rows);
    return rc;
}

/* Over what was there before: each line cleared behind its end, and the screen below. */
static void put_screen(const struct esp_buffer *text)
{
    fputs("\033[H", stdout);
    for (const char *line = esp_buffer_get(text); *line;) {
        size_t length = strcspn(line, "\n");
        fwrite(line, 1, length, stdout);
        fputs("\033[K", stdout);
        line += length;
        if (*line == '\n') {
            fputc('\n', stdout);
            line++;
        }
    }
    fputs("\033[2mq leaves\033[0m\033[K\033[J", stdout);
    fflush(stdout);
}

static int screen_height(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

static int follow_ledger(struct esp_ledger *ledger,
                         const struct esp_arguments *arguments,
                         struct esp_follow *follow,
                         struct esp_error *error)
{
    const char *dir = arguments->operands[0];
    int64_t interval_ms = (int64_t)(arguments->interval * 1000), drawn_ms = 0;
    struct esp_buffer text = {0};
    bool changed = true;
    int rc = 0;
    for (;;) {
        if (changed && esp_clock_ms() - drawn_ms >= interval_ms) {
            esp_buffer_clear(&text);
            rc = draw(ledger,
                      dir,
                      esp_terminal_width(stdout),
                      screen_height(),
                      esp_terminal_color(stdout),
                      &text,
                      error);
            if (rc < 0) {
                break;
            }
            put_screen(&text);
            drawn_ms = esp_clock_ms();
            changed = false;
        }
        char key = 0;
        int64_t rest = drawn_ms + interval_ms - esp_clock_ms();
        rc = esp_follow_wait(follow, !changed ? IDLE_LOOK_MS : rest > 0 ? rest : 0, &key);
        if (rc < 0 || (rc & ESP_FOLLOW_SIGNAL) ||
            ((rc & ESP_FOLLOW_KEY) && (key == 'q' || key == 'Q'))) {
            break;
        }
        if (rc & ESP_FOLLOW_RESIZED) {
            drawn_ms = 0;
        }
        changed = true; /* any event, the passing of time too, is worth a look */
    }
    esp_buffer_release(&text);
    return rc < 0 ? rc : 0;
}

static int watch(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_follow *follow = NULL;
    struct esp_buffer text = {0};
    const char *dir = arguments->operands[0];
    int rc = esp_ledger_open(dir, &ledger, error), code = 0;
    if (rc < 0) {
        return esp_exit_of(rc);
    }
    if (arguments->once || !esp_terminal_is(stdout)) {
        rc = draw(&ledger,
                  dir,
                  esp_terminal_width(stdout),
                  0,
                  esp_terminal_color(stdout),
                  &text,
                  error);
        code = rc < 0 ? esp_exit_of(rc) : esp_print(&text, error);
        goto out;
    }
    rc = esp_follow_open(dir, esp_terminal_is(stdin), &follow, error);
    if (rc == 0) {
        fputs("\033[?1049h\033[?25l", stdout); /* another screen, no cursor */
        rc = follow_ledger(&ledger, arguments, follow, error);
        fputs("\033[?25h\033[?1049l", stdout);
        fflush(stdout);
    }
    code = rc < 0 ? esp_exit_of(rc) : ESP_EXIT_DONE;
out:
    esp_follow_close(follow);
    esp_buffer_release(&text);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_watch = {
    .name = "watch",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Follow a study in a table that updates until you press q",
    .details = "If stdout is not a terminal, the table is printed once.",
    .options = {ESP_OPTION_INTERVAL, ESP_OPTION_ONCE},
    .main = watch,
};
