/* The text and the strings of an event, which are in different members of its union by kind. */
#include <espalier/event.h>

const char *esp_event_text(const struct esp_event *event)
{
    switch (event->kind) {
    case ESP_EVENT_OPENED:
        return event->opened.version;
    case ESP_EVENT_CHANGED:
        return event->changed.setting;
    case ESP_EVENT_MOVED:
        return event->moved.text;
    case ESP_EVENT_STARTED_AT:
        return event->started.fell_back;
    case ESP_EVENT_FAILED:
        return event->failed.text;
    case ESP_EVENT_AGENT:
        return event->agent.host;
    case ESP_EVENT_EXITED:
        return event->exited.tail;
    case ESP_EVENT_COMMAND:
        return event->command.answer;
    case ESP_EVENT_NOTE:
        return event->note.text;
    case ESP_EVENT_PROTOCOL:
        return event->protocol.fault;
    default:
        return NULL;
    }
}

static int one_string(struct esp_event_string *out, const char **at)
{
    *out = (struct esp_event_string){at, ESP_LOG_TAIL_MAX};
    return 1;
}

int esp_event_strings(struct esp_event *event,
                      struct esp_event_string out[ESP_EVENT_STRINGS_MAX])
{
    switch (event->kind) {
    case ESP_EVENT_OPENED:
        return one_string(out, &event->opened.version);
    case ESP_EVENT_CHANGED:
        return one_string(out, &event->changed.setting);
    case ESP_EVENT_MOVED:
        return one_string(out, &event->moved.text);
    case ESP_EVENT_STARTED_AT:
        return one_string(out, &event->started.fell_back);
    case ESP_EVENT_SAVED:
        out[0] = (struct esp_event_string){&event->saved.path, ESP_PATH_MAX};
        out[1] = (struct esp_event_string){&event->saved.host, ESP_NAME_MAX};
        return 2;
    case ESP_EVENT_FAILED:
        return one_string(out, &event->failed.text);
    case ESP_EVENT_AGENT:
        one_string(&out[0], &event->agent.host);
        one_string(&out[1], &event->agent.device);
        return 2;
    case ESP_EVENT_EXITED:
        return one_string(out, &event->exited.tail);
    case ESP_EVENT_COMMAND:
        return one_string(out, &event->command.answer);
    case ESP_EVENT_NOTE:
        return one_string(out, &event->note.text);
    case ESP_EVENT_PROTOCOL:
        return one_string(out, &event->protocol.fault);
    default:
        return 0;
    }
}

struct esp_reals *esp_event_reals(struct esp_event *event)
{
    switch (event->kind) {
    case ESP_EVENT_CREATED:
        return &event->created.values;
    case ESP_EVENT_FIT:
        return &event->fit.values;
    case ESP_EVENT_CALIBRATED:
        return &event->calibrated.scores;
    default:
        return NULL;
    }
}
