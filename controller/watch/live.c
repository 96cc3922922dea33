#include "live.h"

#include "../system/terminal.h"
#include "../view/overview.h"
#include "follow.h"

#include <espalier/clock.h>
#include <stdio.h>
#include <string.h>

/* A controller that is killed writes nothing, so its state is read again this often. */
#define IDLE_REFRESH_MS 5000

/* Terminal control sequences. */
#define ENTER_SCREEN "\033[?1049h\033[?25l" /* the alternate screen, without a cursor */
#define LEAVE_SCREEN "\033[?25h\033[?1049l"
#define GO_HOME "\033[H"
#define CLEAR_LINE "\033[K"  /* from the cursor to the end of the line */
#define CLEAR_BELOW "\033[J" /* from the cursor to the end of the screen */
#define DIM "\033[2m"
#define PLAIN "\033[0m"

/* Draws over the screen before: each line is cleared behind its end, and the rest below. */
static void put_screen(const struct esp_buffer *text)
{
    fputs(GO_HOME, stdout);
    for (const char *line = esp_buffer_get(text); *line;) {
        size_t length = strcspn(line, "\n");
        fwrite(line, 1, length, stdout);
        fputs(CLEAR_LINE, stdout);
        line += length;
        if (*line == '\n') {
            fputc('\n', stdout);
            line++;
        }
    }
    fputs(DIM "press q to quit" PLAIN CLEAR_LINE CLEAR_BELOW, stdout);
    fflush(stdout);
}

static int draw(struct esp_ledger *ledger, struct esp_buffer *text, struct esp_error *error)
{
    esp_buffer_clear(text);
    int rc = esp_overview_text(ledger,
                               esp_terminal_width(stdout),
                               esp_terminal_height(stdout),
                               esp_terminal_color(stdout),
                               text,
                               error);
    if (rc == 0) {
        put_screen(text);
    }
    return rc;
}

static bool quits(int events, char key)
{
    return (events & ESP_FOLLOW_SIGNAL) ||
           ((events & ESP_FOLLOW_KEY) && (key == 'q' || key == 'Q'));
}

static int follow_ledger(struct esp_ledger *ledger,
                         int64_t interval_ms,
                         struct esp_follow *follow,
                         struct esp_error *error)
{
    int64_t drawn_ms = 0;
    struct esp_buffer text = {0};
    bool changed = true;
    int rc = 0;
    for (;;) {
        if (changed && esp_clock_ms() - drawn_ms >= interval_ms) {
            rc = draw(ledger, &text, error);
            if (rc < 0) {
                break;
            }
            drawn_ms = esp_clock_ms();
            changed = false;
        }
        char key = 0;
        int64_t rest_ms = drawn_ms + interval_ms - esp_clock_ms();
        rc = esp_follow_wait(follow,
                             !changed      ? IDLE_REFRESH_MS
                             : rest_ms > 0 ? rest_ms
                                           : 0,
                             &key);
        if (rc < 0 || quits(rc, key)) {
            break;
        }
        if (rc & ESP_FOLLOW_RESIZED) {
            drawn_ms = 0;
        }
        changed = true; /* any event, and the passing of time, may have changed the table */
    }
    esp_buffer_release(&text);
    return rc < 0 ? rc : 0;
}

int esp_live_run(struct esp_ledger *ledger, int64_t interval_ms, struct esp_error *error)
{
    struct esp_follow *follow = NULL;
    int rc = esp_follow_open(ledger->dir, esp_terminal_is(stdin), &follow, error);
    if (rc < 0) {
        return rc;
    }
    fputs(ENTER_SCREEN, stdout);
    rc = follow_ledger(ledger, interval_ms, follow, error);
    fputs(LEAVE_SCREEN, stdout);
    fflush(stdout);
    esp_follow_close(follow);
    return rc;
}
