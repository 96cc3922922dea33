#include "detail.h"

/* Processes of one trial that are looked for among those that failed. */
#define PROCESSES_MAX 256

struct visit {
    const struct esp_detail_visitor *visitor;
    void *context;
    int64_t trial;
    uint64_t processes[PROCESSES_MAX]; /* those that the trial was assigned to */
    size_t process_count;
};

static int visit_trial(void *context, const struct esp_reader_trial *trial)
{
    struct visit *visit = context;
    return visit->visitor->trial(visit->context, trial);
}

static int visit_event(void *context, const struct esp_event *event)
{
    struct visit *visit = context;
    if (event->kind == ESP_EVENT_MOVED && event->moved.trigger == ESP_TRIGGER_GRANT &&
        visit->process_count < PROCESSES_MAX) {
        visit->processes[visit->process_count++] = event->moved.process;
    }
    if (event->kind == ESP_EVENT_DIRECTED || event->kind == ESP_EVENT_DROPPED) {
        return 0;
    }
    return visit->visitor->event(visit->context, event);
}

static int visit_checkpoint(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    struct visit *visit = context;
    return visit->visitor->checkpoint(visit->context, checkpoint);
}

static bool trained_it(const struct visit *visit, const struct esp_reader_worker *worker)
{
    for (size_t i = 0; i < visit->process_count; i++) {
        if (!worker->is_agent && visit->processes[i] == worker->key) {
            return true;
        }
    }
    return false;
}

static int visit_worker(void *context, const struct esp_reader_worker *worker)
{
    struct visit *visit = context;
    bool failed = worker->exited && !worker->asked && (worker->status != 0 || worker->signal);
    return failed && trained_it(visit, worker) ? visit->visitor->process(visit->context, worker)
                                               : 0;
}

static int visit_note(void *context, const struct esp_reader_note *note)
{
    struct visit *visit = context;
    return note->trial == visit->trial ? visit->visitor->note(visit->context, note) : 0;
}

int esp_detail_visit(struct esp_ledger *ledger,
                     int64_t trial,
                     const struct esp_detail_visitor *visitor,
                     void *context,
                     struct esp_error *error)
{
    struct visit visit = {.visitor = visitor, .context = context, .trial = trial};
    struct esp_reader *reader = ledger->reader;
    int rc = esp_reader_trial(reader, trial, visit_trial, &visit, error);
    if (rc < 0) {
        return rc;
    }
    visitor->begin(context, ESP_DETAIL_HISTORY);
    rc = esp_reader_history(reader, trial, visit_event, &visit, error);
    if (rc < 0) {
        return rc;
    }
    visitor->begin(context, ESP_DETAIL_CHECKPOINTS);
    rc = esp_reader_checkpoints(reader, trial, visit_checkpoint, &visit, error);
    if (rc < 0) {
        return rc;
    }
    visitor->begin(context, ESP_DETAIL_PROCESSES);
    rc = esp_reader_workers(reader, visit_worker, &visit, error);
    if (rc < 0) {
        return rc;
    }
    visitor->begin(context, ESP_DETAIL_NOTES);
    return esp_reader_notes(reader, visit_note, &visit, error);
}
