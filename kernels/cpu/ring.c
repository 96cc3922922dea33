/* The ring of snapshots for a backend in which operations finish when they are enqueued: copies
 * and clock readings. */
#include "ring.h"

#include <errno.h>
#include <espalier/clock.h>
#include <stdlib.h>
#include <string.h>

struct snapshot {
    double seconds;
    size_t bytes;
    unsigned char memory[ESP_SNAPSHOT_BYTES];
};

struct esp_ring {
    struct snapshot snapshots[ESP_SNAPSHOTS];
    int first, count;
    bool begun;
    double begin_seconds;
};

static int
ring_open(const struct esp_kernels *kernels, struct esp_ring **ring, struct esp_error *error)
{
    (void)kernels;
    *ring = calloc(1, sizeof **ring);
    return *ring ? 0 : esp_error_set(error, -ENOMEM, "out of memory making a ring");
}

static void ring_close(const struct esp_kernels *kernels, struct esp_ring *ring)
{
    (void)kernels;
    free(ring);
}

static int ring_begin(const struct esp_kernels *kernels, struct esp_ring *ring)
{
    (void)kernels;
    if (ring->count == ESP_SNAPSHOTS) {
        return -EAGAIN;
    }
    ring->begun = true;
    ring->begin_seconds = esp_clock_seconds();
    return 0;
}

static int ring_push(const struct esp_kernels *kernels,
                     struct esp_ring *ring,
                     const void *device,
                     size_t bytes)
{
    (void)kernels;
    if (bytes > ESP_SNAPSHOT_BYTES || (!ring->begun && ring->count < ESP_SNAPSHOTS)) {
        return -EINVAL;
    }
    if (ring->count == ESP_SNAPSHOTS) {
        return -EAGAIN;
    }
    struct snapshot *s = &ring->snapshots[(ring->first + ring->count) % ESP_SNAPSHOTS];
    memcpy(s->memory, device, bytes);
    s->bytes = bytes;
    s->seconds = esp_clock_seconds() - ring->begin_seconds;
    ring->count++;
    ring->begun = false;
    return 0;
}

static int ring_pop(const struct esp_kernels *kernels,
                    struct esp_ring *ring,
                    void *host,
                    size_t bytes,
                    bool wait,
                    double *seconds)
{
    const struct snapshot *s = &ring->snapshots[ring->first];
    (void)wait;
    if (ring->count == 0) {
        return -ENOENT;
    }
    if (bytes != s->bytes) {
        return -EINVAL;
    }
    memcpy(host, s->memory, bytes);
    *seconds = s->seconds;
    ring->first = (ring->first + 1) % ESP_SNAPSHOTS;
    ring->count--;
    return kernels->synchronise(kernels, NULL);
}

void esp_cpu_fill_ring(struct esp_kernels *kernels)
{
    kernels->ring_open = ring_open;
    kernels->ring_close = ring_close;
    kernels->ring_begin = ring_begin;
    kernels->ring_push = ring_push;
    kernels->ring_pop = ring_pop;
}
