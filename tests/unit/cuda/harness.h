/* Runs one operation on any backend with the same random inputs and poisoned outputs. */
#ifndef ESP_TEST_CUDA_HARNESS_H
#define ESP_TEST_CUDA_HARNESS_H

#include "backend.h"

#include <espalier/random.h>

#define SLOTS_MAX 24
#define MEMBERS_MAX 5

struct extents {
    int members, sequences, context, width, heads, vocabulary;
    int width_out; /* output width of products */
    int short_by;  /* number of sequences that member 1 does not use */
    bool causal, transposed, branch, narrow_bias, repeated;
    enum esp_kernel_activation activation;
    double dropout;
};

enum kind { ACTIVATION, REAL, INTEGER };
enum role {
    INPUT,
    OUTPUT, /* poisoned before, and overwritten completely */
    SUM,    /* added to */
};

struct slot {
    struct esp_view view;
    enum kind kind;
    enum role role;
    int64_t count; /* of one member */
};

struct run {
    const struct esp_kernels *k;
    enum esp_precision precision; /* inputs are rounded to it on every backend */
    struct extents e;
    struct esp_batch batch;
    struct esp_control control[MEMBERS_MAX];
    int place[MEMBERS_MAX]; /* index that selects a member's inputs and randomness */
    void *device_control;
    struct slot slots[SLOTS_MAX];
    int count;
    bool recording; /* operations are recorded in `graph` instead of run */
    struct esp_graph *graph;
};

static inline double random_at(int slot, int64_t element)
{
    struct esp_random_block b =
        esp_random_at(41, (uint64_t)slot, ESP_RANDOM_SIMULATION, (uint64_t)element);
    return 2 * esp_random_unit(b.word[0], b.word[1]) - 1;
}

static inline size_t size_of(const struct run *r, enum kind kind)
{
    return kind == INTEGER ? sizeof(int32_t)
           : kind == REAL  ? r->k->real_bytes
                           : r->k->activation_bytes;
}

static inline struct slot *
new_slot(struct run *r, enum kind kind, enum role role, int64_t count)
{
    assert_true(r->count < SLOTS_MAX);
    struct slot *s = &r->slots[r->count++];
    const int64_t step = (int64_t)(r->k->alignment / size_of(r, kind));
    *s = (struct slot){.kind = kind, .role = role, .count = count};
    s->view.stride = (count + step - 1) / step * step;
    s->view.data =
        r->k->allocate(r->k, (size_t)(s->view.stride * r->e.members) * size_of(r, kind));
    assert_non_null(s->view.data);
    return s;
}

/* scale · uniform(−1, 1) + shift, or poison */
static inline struct esp_view add_slot(
    struct run *r, enum kind kind, enum role role, int64_t count, double scale, double shift)
{
    const int index = r->count;
    struct slot *s = new_slot(r, kind, role, count);
    const size_t size = size_of(r, kind);
    const size_t bytes = (size_t)(s->view.stride * r->e.members) * size;
    void *host = malloc(bytes);
    memset(host, 0xff, bytes);
    for (int m = 0; role != OUTPUT && m < r->e.members; m++) {
        for (int64_t i = 0; i < count; i++) {
            const double x = scale * random_at(index, r->place[m] * count + i) + shift;
            const enum esp_precision p = kind == REAL ? ESP_PRECISION_FP32 : r->precision;
            pack(host, size, p, m * s->view.stride + i, rounded(x, p));
        }
    }
    assert_int_equal(r->k->upload(r->k, s->view.data, host, bytes), 0);
    free(host);
    return s->view;
}

static inline struct esp_view input(struct run *r, enum kind kind, int64_t count)
{
    return add_slot(r, kind, INPUT, count, 1, 0);
}

static inline struct esp_view output(struct run *r, enum kind kind, int64_t count)
{
    return add_slot(r, kind, OUTPUT, count, 0, 0);
}

static inline struct esp_view sum(struct run *r, int64_t count)
{
    return add_slot(r, REAL, SUM, count, 1, 0);
}

/* Tokens of [0, vocabulary); with `gaps` a quarter are −1. Selected by the member's place. */
static inline struct esp_view
add_tokens(struct run *r, int64_t count, int vocabulary, bool gaps)
{
    const int index = r->count;
    struct slot *s = new_slot(r, INTEGER, INPUT, count);
    const size_t bytes = (size_t)(s->view.stride * r->e.members) * sizeof(int32_t);
    int32_t *host = calloc(1, bytes);
    for (int m = 0; m < r->e.members; m++) {
        const int64_t used = (int64_t)r->control[m].sequences * r->e.context;
        for (int64_t i = 0; i < count; i++) {
            const uint32_t word = esp_random_at(42,
                                                (uint64_t)index,
                                                ESP_RANDOM_SIMULATION,
                                                (uint64_t)(r->place[m] * count + i))
                                      .word[0];
            int32_t token = (int32_t)(word / 4 % (uint32_t)vocabulary);
            token = r->e.repeated && word % 3 ? 1 : token;
            host[m * s->view.stride + i] = gaps && (word % 4 == 0 || i >= used) ? -1 : token;
        }
    }
    assert_int_equal(r->k->upload(r->k, s->view.data, host, bytes), 0);
    free(host);
    return s->view;
}

static inline struct run
start_run(const struct esp_kernels *k, enum esp_precision precision, struct extents e)
{
    e.heads = e.heads ? e.heads : 1;
    e.vocabulary = e.vocabulary ? e.vocabulary : 5;
    struct run r = {.k = k, .precision = precision, .e = e};
    assert_true(e.members <= MEMBERS_MAX);
    r.batch = (struct esp_batch){.members = e.members,
                                 .sequences = e.sequences,
                                 .context = e.context,
                                 .active = ((uint64_t)1 << e.members) - 1};
    for (int m = 0; m < e.members; m++) {
        r.place[m] = m;
        r.control[m] = (struct esp_control){.active = 1,
                                            .sequences = e.sequences - (m == 1) * e.short_by,
                                            .seed = 100 + (uint64_t)m,
                                            .step = 5,
                                            .first_sequence = 2,
                                            .dropout = m == 1 ? e.dropout / 2 : e.dropout,
                                            .loss_scale = 1};
    }
    return r;
}

/* Uploads the members' controls once they are set. */
static inline void send_control(struct run *r)
{
    const size_t bytes = sizeof r->control;
    if (!r->device_control) {
        r->device_control = r->k->allocate(r->k, bytes);
    }
    assert_non_null(r->device_control);
    assert_int_equal(r->k->upload(r->k, r->device_control, r->control, bytes), 0);
    r->batch.control = r->device_control;
}

static inline void end_run(struct run *r)
{
    for (int i = 0; i < r->count; i++) {
        r->k->release(r->k, r->slots[i].view.data);
    }
    r->k->release(r->k, r->device_control);
    r->count = 0;
}

/* One member's elements of a slot. The caller frees them. */
static inline double *values_of(const struct run *r, int index, int member)
{
    const struct slot *s = &r->slots[index];
    const size_t size = size_of(r, s->kind);
    void *host = malloc((size_t)s->count * size);
    double *out = calloc((size_t)s->count, sizeof *out);
    const char *from = (const char *)s->view.data + (size_t)(member * s->view.stride) * size;
    assert_int_equal(r->k->download(r->k, host, from, (size_t)s->count * size), 0);
    for (int64_t i = 0; i < s->count; i++) {
        out[i] = unpack(host, size, s->kind == REAL ? ESP_PRECISION_FP32 : r->precision, i);
    }
    free(host);
    return out;
}

static inline int64_t rows_in(const struct run *r)
{
    return (int64_t)r->e.sequences * r->e.context;
}

/* Called before and after an operation's calls. */
static inline void begin(struct run *r)
{
    struct esp_error error;
    if (r->recording && r->k->capture_begin(r->k, &error)) {
        fail_msg("%s", error.text);
    }
}

static inline void end(struct run *r)
{
    struct esp_error error;
    if (r->recording && r->k->capture_end(r->k, &r->graph, &error)) {
        fail_msg("%s", error.text);
    }
}

typedef void (*operation)(struct run *);

#endif
