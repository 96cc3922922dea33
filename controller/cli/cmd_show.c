/* espalier show: one trial, everything known of it. */
#include "../view/export.h"
#include "../view/ledger.h"
#include "../view/reason.h"
#include "../view/rows.h"
#include "output.h"
#include "verb.h"

#include <errno.h>
#include <espalier/message.h>
#include <math.h>
#include <string.h>
#include <time.h>

/* Lines of a dead process's log that are shown to people, and processes of one trial. */
#define TAIL_LINES 20
#define PROCESSES_MAX 256

struct shown {
    struct esp_ledger *ledger;
    struct esp_buffer *out;
    int64_t trial;
    bool json;
    int count; /* of what is being listed */
    uint64_t processes[PROCESSES_MAX];
    size_t process_count;
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

static void add_event_words(struct shown *shown, const struct esp_event *event)
{
    struct esp_buffer *out = shown->out;
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        esp_buffer_add(out, "created, to train until ");
        esp_buffer_count(out, (double)event->created.horizon);
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
            &event->verdict, shown->ledger->study->metric, shown->ledger->maximize, out);
        break;
    case ESP_EVENT_MOVED:
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
        break;
    case ESP_EVENT_STARTED_AT:
        esp_buffer_add(out, "started at ");
        esp_buffer_count(out, (double)event->started.tokens);
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
                        "you asked: %s%s",
                        esp_verb_name(event->command.verb),
                        event->command.code < 0 ? ", refused" : "");
        break;
    default:
        esp_buffer_add(out, esp_event_kind_name(event->kind));
        break;
    }
    const char *text = esp_event_text(event);
    if (text && text[0]) {
        esp_buffer_addf(out, ": %s", text);
    }
}

static int add_history(void *context, const struct esp_event *event)
{
    struct shown *shown = context;
    struct esp_buffer *out = shown->out;
    if (event->kind == ESP_EVENT_MOVED && event->moved.trigger == ESP_TRIGGER_GRANT &&
        shown->process_count < PROCESSES_MAX) {
        shown->processes[shown->process_count++] = event->moved.process;
    }
    if (event->kind == ESP_EVENT_DIRECTED || event->kind == ESP_EVENT_DROPPED) {
        return 0; /* what follows from the lines around it */
    }
    if (!shown->json) {
        esp_buffer_add(out, "  ");
        add_time(out, event->time_ms);
        esp_buffer_add(out, "  ");
        add_event_words(shown, event);
        esp_buffer_add(out, "\n");
        return 0;
    }
    esp_buffer_addf(out,
                    "%s{\"seq\":%llu,\"time_ms\":%lld,\"event\":\"%s\",\"attempt\":%u",
                    shown->count++ ? "," : "",
                    (unsigned long long)event->seq,
                    (long long)event->time_ms,
                    esp_event_kind_name(event->kind),
                    event->attempt);
    if (event->kind == ESP_EVENT_MOVED) {
        esp_buffer_addf(out,
                        ",\"from\":\"%s\",\"to\":\"%s\",\"trigger\":\"%s\",\"cause\":\"%s\","
                        "\"process\":%llu",
                        esp_trial_state_name(event->moved.from),
                        esp_trial_state_name(event->moved.to),
                        esp_trigger_name(event->moved.trigger),
                        esp_cause_name(event->moved.cause),
                        (unsigned long long)event->moved.process);
    } else if (event->kind == ESP_EVENT_VERDICT) {
        esp_buffer_add(out, ",\"verdict\":");
        esp_reason_json(&event->verdict, out);
    }
    esp_buffer_add(out, ",\"text\":");
    esp_buffer_json_string(out, esp_event_text(event));
    esp_buffer_add(out, "}");
    return 0;
}

static int add_checkpoint(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    struct shown *shown = context;
    struct esp_buffer *out = shown->out;
    const struct esp_saved *saved = &checkpoint->saved;
    if (shown->json) {
        esp_buffer_addf(out, "%s{\"path\":", shown->count++ ? "," : "");
        esp_buffer_json_string(out, saved->path);
        esp_buffer_add(out, ",\"host\":");
        esp_buffer_json_string(out, saved->host);
        esp_buffer_addf(out,
                        ",\"step\":%lld,\"tokens\":%lld,\"bytes\":%llu}",
                        (long long)saved->step,
                        (long long)saved->tokens,
                        (unsigned long long)saved->bytes);
        return 0;
    }
    esp_buffer_addf(out, "%s  %s  ", shown->count++ ? "" : "Checkpoints\n", saved->path);
    esp_buffer_count(out, (double)saved->tokens);
    esp_buffer_add(out, " tokens, ");
    esp_buffer_count(out, (double)saved->bytes);
    esp_buffer_add(out, "B\n");
    return 0;
}

static void add_tail(struct shown *shown, const struct esp_reader_worker *worker)
{
    const char *from = worker->tail + strlen(worker->tail);
    for (int lines = 0; from > worker->tail; from--) {
        if (from[-1] == '\n' && from[0] && ++lines == TAIL_LINES) {
            break;
        }
    }
    for (const char *line = from; *line;) {
        size_t length = strcspn(line, "\n");
        esp_buffer_addf(shown->out, "    | %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static int add_end(void *context, const struct esp_reader_worker *worker)
{
    struct shown *shown = context;
    struct esp_buffer *out = shown->out;
    bool ours = false;
    for (size_t i = 0; i < shown->process_count; i++) {
        ours |= !worker->is_agent && shown->processes[i] == worker->key;
    }
    bool failed = worker->exited && !worker->asked && (worker->status != 0 || worker->signal);
    if (!ours || !failed) {
        return 0;
    }
    if (shown->json) {
        esp_buffer_addf(out,
                        "%s{\"process\":%llu,\"status\":%d,\"signal\":%d,\"tail\":",
                        shown->count++ ? "," : "",
                        (unsigned long long)worker->key,
                        (int)worker->status,
                        (int)worker->signal);
        esp_buffer_json_string(out, worker->tail);
        esp_buffer_add(out, "}");
        return 0;
    }
    esp_buffer_add(out, shown->count++ ? "" : "Processes that ended unasked\n");
    esp_buffer_addf(out, "  process %llu: ", (unsigned long long)worker->key);
    if (worker->signal) {
        esp_buffer_addf(out,
                        "killed by signal %d (%s)%s\n",
                        (int)worker->signal,
                        strsignal(worker->signal),
                        worker->signal == 9 ? "; if nobody sent it, memory ran out" : "");
    } else if (worker->status > 0) {
        esp_buffer_addf(out, "exit status %d\n", (int)worker->status);
    } else {
        esp_buffer_add(out, "how is not known\n");
    }
    if (worker->tail && worker->tail[0]) {
        add_tail(shown, worker);
    }
    return 0;
}

static int add_note(void *context, const struct esp_reader_note *note)
{
    struct shown *shown = context;
    if (note->trial != shown->trial) {
        return 0;
    }
    if (shown->json) {
        esp_buffer_addf(shown->out,
                        "%s{\"time_ms\":%lld,\"text\":",
                        shown->count++ ? "," : "",
                        (long long)note->time_ms);
        esp_buffer_json_string(shown->out, note->text);
        esp_buffer_add(shown->out, "}");
        return 0;
    }
    esp_buffer_add(shown->out, shown->count++ ? "  " : "Notes\n  ");
    add_time(shown->out, note->time_ms);
    esp_buffer_addf(shown->out, "  %s\n", note->text);
    return 0;
}

static void add_head(struct shown *shown, const struct esp_reader_trial *trial)
{
    struct esp_buffer *out = shown->out;
    esp_buffer_addf(out,
                    "trial #%lld: %s%s%s%s",
                    (long long)trial->trial,
                    esp_ledger_trial_state(shown->ledger, trial->state),
                    trial->cause == ESP_CAUSE_DIVERGED ? ", its loss diverged" : "",
                    trial->held ? ", held by you" : "",
                    trial->state == ESP_TRIAL_PAUSED && !trial->held
                        ? ", may be continued by the scheduler"
                        : "");
    esp_buffer_add(out, trial->repeats >= 0 ? "; " : "");
    esp_rows_repeated(trial, out);
    esp_buffer_add(out, "\n");
    for (uint32_t p = 0; p < trial->param_count; p++) {
        esp_buffer_addf(out, "  %s = ", trial->params[p].name);
        esp_buffer_value(out, &trial->params[p].value);
        esp_buffer_add(out, "\n");
    }
    if (trial->tokens >= 0) {
        esp_buffer_addf(out, "%s %.5g at ", shown->ledger->study->metric, trial->value);
        esp_buffer_count(out, (double)trial->tokens);
        esp_buffer_add(out, " of ");
        esp_buffer_count(out, (double)trial->horizon);
        esp_buffer_add(out, " tokens\n");
    }
    esp_buffer_addf(out, "attempts: %u; spent ", trial->attempts);
    esp_buffer_count(out, (double)trial->spent_tokens);
    esp_buffer_add(out, " tokens, ");
    esp_buffer_seconds(out, trial->device_seconds);
    esp_buffer_add(out, " of device time\n");
    if (trial->words) {
        esp_buffer_addf(out, "last failure: %s\n", trial->words);
    }
    esp_buffer_add(out, "History\n");
}

static int query(struct shown *shown, struct esp_error *error)
{
    struct esp_reader *reader = shown->ledger->reader;
    struct esp_buffer *out = shown->out;
    bool json = shown->json;
    int rc = esp_reader_history(reader, shown->trial, add_history, shown, error);
    shown->count = 0;
    esp_buffer_add(out, json ? "],\"checkpoints\":[" : "");
    rc = rc < 0 ? rc
                : esp_reader_checkpoints(reader, shown->trial, add_checkpoint, shown, error);
    shown->count = 0;
    esp_buffer_add(out, json ? "],\"processes\":[" : "");
    rc = rc < 0 ? rc : esp_reader_workers(reader, add_end, shown, error);
    shown->count = 0;
    esp_buffer_add(out, json ? "],\"notes\":[" : "");
    rc = rc < 0 ? rc : esp_reader_notes(reader, add_note, shown, error);
    esp_buffer_add(out, json ? "]}\n" : "");
    return rc;
}

static int show(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_rows rows = {0};
    struct esp_buffer out = {0};
    struct shown shown = {.ledger = &ledger, .out = &out, .json = arguments->json};
    int code, rc = esp_arguments_trial(arguments->operands[1], &shown.trial, error);
    rc = rc < 0 ? rc : esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_rows_one(ledger.reader, shown.trial, &rows, error);
    if (rc == 0 && shown.json) {
        esp_export_trial_json(&rows.trials[0], &out);
        out.data[--out.size] = '\0'; /* reopened for what follows */
        esp_buffer_add(&out, ",\"horizon\":");
        esp_buffer_addf(&out, "%lld", (long long)rows.trials[0].horizon);
        esp_buffer_addf(
            &out, ",\"cause\":\"%s\",\"words\":", esp_cause_name(rows.trials[0].cause));
        esp_buffer_json_string(&out, rows.trials[0].words);
        esp_buffer_add(&out, ",\"history\":[");
    } else if (rc == 0) {
        add_head(&shown, &rows.trials[0]);
    }
    rc = rc < 0 ? rc : query(&shown, error);
    code = rc < 0 ? esp_exit_of(rc) : esp_print(&out, error);
    esp_buffer_release(&out);
    esp_rows_release(&rows);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_show = {
    .name = "show",
    .operands = "DIR TRIAL",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "Show one trial: settings, history, checkpoints, failures, notes",
    .options = {ESP_OPTION_JSON},
    .main = show,
};
