/* The simulated network. Messages are in their shipped encoding, so that the codec is tested
 * too. A link is the connection of one peer and keeps messages in order until it breaks. Then
 * messages in transit are lost or arrive late, and the peer says Hello again, as it does after
 * ZeroMQ has reconnected and the controller has sent INTRODUCE. */
#include "sim.h"

#include "proto/codec.h"

#include <stdlib.h>
#include <string.h>

struct sim_bytes sim_pack(struct world *w, const struct esp_message *message)
{
    struct esp_bytes out = {0};
    struct esp_error error;
    if (esp_codec_encode(message, &out, &error)) {
        sim_violate(w, "a message cannot be encoded: %s", error.text);
        return (struct sim_bytes){calloc(1, 1), 0};
    }
    struct sim_bytes bytes = {malloc(out.length ? out.length : 1), out.length};
    memcpy(bytes.data, out.data, out.length);
    esp_bytes_release(&out);
    return bytes;
}

int sim_link_open(struct world *w, enum esp_role role, uint64_t key)
{
    for (int i = 0; i < w->link_count; i++) {
        if (w->links[i].peer.role == role && w->links[i].peer.key == key) {
            w->links[i].epoch++;
            w->links[i].up = true;
            return i;
        }
    }
    if (w->link_count == SIM_LINKS_MAX) {
        sim_violate(w, "more than %d connections", SIM_LINKS_MAX);
        return 0;
    }
    w->links[w->link_count] = (struct sim_link){.peer = {role, key}, .epoch = 1, .up = true};
    return w->link_count++;
}

void sim_link_break(struct world *w, int link)
{
    w->links[link].epoch++;
    w->links[link].up = false;
}

void sim_link_restore(struct world *w, int link)
{
    w->links[link].up = true;
}

static struct sim_event *
push(struct world *w, int64_t at, enum sim_occasion occasion, int link, struct sim_bytes bytes)
{
    sim_later(w, at - w->now, occasion, (uint64_t)link, w->links[link].epoch);
    /* sim_later has put the event into the heap: find it by its order */
    for (size_t i = w->queue_count; i-- > 0;) {
        if (w->queue[i].order == w->order) {
            w->queue[i].bytes = bytes;
            return &w->queue[i];
        }
    }
    return NULL;
}

static void
transmit(struct world *w, int link, enum sim_occasion occasion, struct sim_bytes bytes)
{
    struct sim_link *l = &w->links[link];
    if (!l->up) {
        free(bytes.data);
        return;
    }
    if (w->faults && sim_chance(w, w->loss)) {
        /* A connection loses messages only when it breaks, and the peer connects again. */
        sim_log(w, "link %d breaks", link);
        free(bytes.data);
        l->epoch++;
        return;
    }
    int64_t *last = occasion == SIM_DELIVER_UP ? &l->last_up : &l->last_down;
    int64_t at = w->now + sim_range(w, 0, w->delay_ms);
    if (at < *last) {
        at = *last;
    }
    *last = at;
    if (w->faults && sim_chance(w, w->duplication)) {
        struct sim_bytes copy = {malloc(bytes.length ? bytes.length : 1), bytes.length};
        memcpy(copy.data, bytes.data, bytes.length);
        push(w, at + sim_range(w, 0, 20000), occasion, link, copy);
    }
    if (w->faults && sim_chance(w, w->late)) {
        /* It waits in the buffer of a broken connection. */
        push(w, at + sim_range(w, 0, 50000), occasion, link, bytes);
        l->epoch++;
        return;
    }
    push(w, at, occasion, link, bytes);
}

void sim_send_packed_up(struct world *w, int link, struct sim_bytes bytes)
{
    transmit(w, link, SIM_DELIVER_UP, bytes);
}

void sim_send_up(struct world *w, int link, const struct esp_message *message)
{
    transmit(w, link, SIM_DELIVER_UP, sim_pack(w, message));
}

void sim_send_down(struct world *w, int link, const struct esp_message *message)
{
    transmit(w, link, SIM_DELIVER_DOWN, sim_pack(w, message));
}

/* Most messages of an older connection are lost with it. */
static bool arrives(struct world *w, const struct sim_event *event)
{
    const struct sim_link *l = &w->links[event->who];
    return event->generation == l->epoch || sim_chance(w, 0.3);
}

static bool decode(struct world *w, const struct sim_event *event, struct esp_message *message)
{
    if (!w->codec) {
        struct esp_codec *codec = NULL;
        if (esp_codec_create(&codec)) {
            return false;
        }
        w->codec = codec;
    }
    struct esp_error error;
    if (esp_codec_decode(w->codec, event->bytes.data, event->bytes.length, message, &error)) {
        sim_violate(w, "a message cannot be decoded: %s", error.text);
        return false;
    }
    return true;
}

void sim_deliver_up(struct world *w, const struct sim_event *event)
{
    struct esp_message message;
    if (w->controller.up && arrives(w, event) && decode(w, event, &message)) {
        sim_controller_message(w, (int)event->who, event->generation, &message);
    }
}

void sim_deliver_down(struct world *w, const struct sim_event *event)
{
    struct esp_message message;
    const struct sim_link *l = &w->links[event->who];
    if (event->generation != l->epoch || !l->up || !decode(w, event, &message)) {
        return;
    }
    if (l->peer.role == ESP_ROLE_TRIAL) {
        int process = sim_process_by_key(w, l->peer.key);
        if (process >= 0) {
            sim_process_message(w, process, &message);
        }
    } else if (l->peer.role == ESP_ROLE_AGENT) {
        sim_agent_message(w, (int)(l->peer.key - 1), &message);
    }
}

void sim_network_release(struct world *w)
{
    for (size_t i = 0; i < w->queue_count; i++) {
        free(w->queue[i].bytes.data);
    }
    esp_codec_destroy(w->codec);
    w->codec = NULL;
}
