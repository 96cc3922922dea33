/* A trial in full as text for people. */
#include "detail.h"

#include "human.h"
#include "reason.h"
#include "rows.h"

#include <espalier/message.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* Lines of a failed process's log that are shown. */
#define TAIL_LINES 20

struct writer {
    struct esp_ledger *ledger;
    struct esp_buffer *out;
    int count; /* items of the part so far */
};

static void add_time(struct esp_buffer *out, int64_t time_ms)
{
    time_t seconds = time_ms / 1000;
    struct tm local;
    char text[32] = "?";
    if (localtime_r(&seconds, &local)) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    }
    esp_buffer_add(out, text);
}

static void add_params(const struct esp_reader_trial *trial, struct esp_buffer *out)
{
    for (uint32_t p = 0; p < trial->param_count; p++) {
        esp_buffer_addf(out, "  %s = ", trial->params[p].name);
        esp_human_value(out, &trial->params[p].value);
        esp_buffer_add(out, "\n");
    }
}

static int add_trial(void *context, const struct esp_reader_trial *trial)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    bool waits = trial->state == ESP_TRIAL_PAUSED && !trial->held;
    esp_buffer_addf(out,
                    "trial #%lld: %s%s%s%s",
                    (long long)trial->trial,
                    esp_ledger_trial_state(writer->ledger, trial->state),
                    trial->cause == ESP_CAUSE_DIVERGED ? ", its loss diverged" : "",
                    trial->held ? ", held by you" : "",
                    waits ? ", may be continued by the scheduler" : "");
    esp_buffer_add(out, trial->repeats >= 0 ? "; " : "");
    esp_rows_repeated(trial, out);
    esp_buffer_add(out, "\n");
    add_params(trial, out);
    if (trial->tokens >= 0) {
        esp_buffer_addf(out, "%s %.5g at ", writer->ledger->study->metric, trial->value);
        esp_human_count(out, (double)trial->tokens);
        esp_buffer_add(out, " of ");
        esp_human_count(out, (double)trial->horizon);
        esp_buffer_add(out, " tokens\n");
    }
    esp_buffer_addf(out, "attempts: %u; spent ", trial->attempts);
    esp_human_count(out, (double)trial->spent_tokens);
    esp_buffer_add(out, " tokens, ");
    esp_human_seconds(out, trial->device_seconds);
    esp_buffer_add(out, " of device time\n");
    if (trial->words) {
        esp_buffer_addf(out, "last failure: %s\n", trial->words);
    }
    return 0;
}

static void begin_part(void *context, enum esp_detail_part part)
{
    struct writer *writer = context;
    writer->count = 0;
    if (part == ESP_DETAIL_HISTORY) { /* never empty; the others get a heading with an item */
        esp_buffer_add(writer->out, "History\n");
    }
}

static void add_moved(const struct esp_event *event, struct esp_buffer *out)
{
    esp_buffer_addf(out,
                    "%s → %s (%s)",
                    esp_trial_state_name(event->moved.from),
                    esp_trial_state_name(event->moved.to),
                    esp_trigger_name(event->moved.trigger));
    if (event->moved.trigger == ESP_TRIGGER_GRANT) {
        esp_buffer_addf(out,
                        ", attempt %u on process %llu",
                        event->attempt,
                        (unsigned long long)event->moved.process);
    }
}

static void
describe(const struct writer *writer, const struct esp_event *event, struct esp_buffer *out)
{
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        esp_buffer_add(out, "created, to train until ");
        esp_human_count(out, (double)event->created.horizon);
        esp_buffer_add(out, " tokens");
        if (event->created.repeats >= 0) {
            esp_buffer_addf(out,
                            ", as #%lld with seed %lld",
                            (long long)event->created.repeats,
                            (long long)event->created.seed);
        }
        break;
    case ESP_EVENT_VERDICT:
        esp_reason_verdict(
            &event->verdict, writer->ledger->study->metric, writer->ledger->maximize, out);
        break;
    case ESP_EVENT_MOVED:
        add_moved(event, out);
        break;
    case ESP_EVENT_STARTED_AT:
        esp_buffer_add(out, "started at ");
        esp_human_count(out, (double)event->started.tokens);
        esp_buffer_add(out, " tokens");
        break;
    case ESP_EVENT_SAVED:
        esp_buffer_addf(out, "saved %s", event->saved.path);
        break;
    case ESP_EVENT_FAILED:
        esp_buffer_add(out, "failed");
        break;
    case ESP_EVENT_COMMAND:
        esp_buffer_addf(out,
                        "command: %s%s",
                        esp_command_verb_name(event->command.verb),
                        event->command.code < 0 ? ", refused" : "");
        break;
    default:
        esp_buffer_add(out, esp_event_kind_name(event->kind));
        break;
    }
}

static int add_event(void *context, const struct esp_event *event)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    const char *text = esp_event_text(event);
    esp_buffer_add(out, "  ");
    add_time(out, event->time_ms);
    esp_buffer_add(out, "  ");
    describe(writer, event, out);
    if (text && text[0]) {
        esp_buffer_addf(out, ": %s", text);
    }
    esp_buffer_add(out, "\n");
    return 0;
}

static int add_checkpoint(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    const struct esp_saved *saved = &checkpoint->saved;
    esp_buffer_addf(out, "%s  %s  ", writer->count++ ? "" : "Checkpoints\n", saved->path);
    esp_human_count(out, (double)saved->tokens);
    esp_buffer_add(out, " tokens, ");
    esp_human_count(out, (double)saved->bytes);
    esp_buffer_add(out, "B\n");
    return 0;
}

static void add_tail(const char *tail, struct esp_buffer *out)
{
    const char *from = tail + strlen(tail);
    for (int lines = 0; from > tail; from--) {
        if (from[-1] == '\n' && from[0] && ++lines == TAIL_LINES) {
            break;
        }
    }
    for (const char *line = from; *line;) {
        size_t length = strcspn(line, "\n");
        esp_buffer_addf(out, "    | %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static int add_process(void *context, const struct esp_reader_worker *process)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    esp_buffer_add(out, writer->count++ ? "" : "Processes that failed\n");
    esp_buffer_addf(out, "  process %llu: ", (unsigned long long)process->key);
    if (process->signal) {
        esp_buffer_addf(out,
                        "killed by signal %d (%s)%s\n",
                        (int)process->signal,
                        strsignal(process->signal),
                        process->signal == SIGKILL ? "; perhaps the host ran out of memory"
                                                   : "");
    } else if (process->status > 0) {
        esp_buffer_addf(out, "exit status %d\n", (int)process->status);
    } else {
        esp_buffer_add(out, "ended for an unknown reason\n");
    }
    if (process->tail && process->tail[0]) {
        add_tail(process->tail, out);
    }
    return 0;
}

static int add_note(void *context, const struct esp_reader_note *note)
{
    struct writer *writer = context;
    esp_buffer_add(writer->out, writer->count++ ? "  " : "Notes\n  ");
    add_time(writer->out, note->time_ms);
    esp_buffer_addf(writer->out, "  %s\n", note->text);
    return 0;
}

int esp_detail_text(struct esp_ledger *ledger,
                    int64_t trial,
                    struct esp_buffer *out,
                    struct esp_error *error)
{
    static const struct esp_detail_visitor visitor = {
        .trial = add_trial,
        .begin = begin_part,
        .event = add_event,
        .checkpoint = add_checkpoint,
        .process = add_process,
        .note = add_note,
    };
    struct writer writer = {.ledger = ledger, .out = out};
    return esp_detail_visit(ledger, trial, &visitor, &writer, error);
}
