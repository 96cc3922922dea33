/* Runs one operation's forward and backward pass on any backend with the same random inputs and
 * poisoned outputs, so that results can be compared between backends and with central
 * differences. */
#ifndef ESP_TEST_KERNELS_HARNESS_H
#define ESP_TEST_KERNELS_HARNESS_H

#include <espalier/kernels.h>
#include <espalier/random.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS_MAX 24

struct extents {
    int members, sequences, context, width, heads, vocabulary;
    int width_out; /* output width of products */
    bool causal, transposed, branch;
    enum esp_kernel_activation activation;
    double dropout;
};

/* One tensor of all members. `base` holds its initial values, rounded to float. */
struct slot {
    struct esp_view view;
    int64_t count; /* of one member */
    double *base;
    bool result;     /* compared between backends */
    int gradient_of; /* input slot whose gradient this is, or −1 */
};

struct run {
    const struct esp_kernels *k;
    struct extents e;
    struct esp_batch batch;
    struct esp_control control[8];
    struct slot slots[SLOTS_MAX];
    int count;
    /* one element of an input is varied, for central differences */
    int nudge_slot;
    int64_t nudge_element;
    double nudge_by;
    /* the backward pass computes the gradient of Σ weighted · out */
    int objective_out, objective_weight;
};

static inline double random_at(int slot, int64_t element)
{
    struct esp_random_block b =
        esp_random_at(41, (uint64_t)slot, ESP_RANDOM_SIMULATION, (uint64_t)element);
    return (double)(float)(2 * esp_random_unit(b.word[0], b.word[1]) - 1);
}

static inline void put(const struct run *r, struct esp_view v, int64_t at, double x)
{
    if (r->k->real_bytes == sizeof(double)) {
        ((double *)v.data)[at] = x;
    } else {
        ((float *)v.data)[at] = (float)x;
    }
}

static inline double get(const struct run *r, struct esp_view v, int64_t at)
{
    return r->k->real_bytes == sizeof(double) ? ((double *)v.data)[at] : ((float *)v.data)[at];
}

static inline struct slot *add_slot(struct run *r, int64_t count)
{
    assert_true(r->count < SLOTS_MAX);
    struct slot *s = &r->slots[r->count++];
    const int64_t stride = (count + 15) / 16 * 16;
    *s = (struct slot){.count = count, .gradient_of = -1};
    s->view.stride = stride;
    s->view.data = r->k->allocate(r->k, (size_t)(stride * r->e.members) * r->k->real_bytes);
    assert_non_null(s->view.data);
    s->base = calloc((size_t)(count * r->e.members), sizeof(double));
    return s;
}

/* scale · uniform(−1, 1) + shift */
static inline int add_input(struct run *r, int64_t count, double scale, double shift)
{
    const int index = r->count;
    struct slot *s = add_slot(r, count);
    for (int m = 0; m < r->e.members; m++) {
        for (int64_t i = 0; i < count; i++) {
            const int64_t at = m * count + i;
            s->base[at] = (double)(float)(scale * random_at(index, at) + shift);
            if (index == r->nudge_slot && at == r->nudge_element) {
                s->base[at] += r->nudge_by;
            }
            put(r, s->view, m * s->view.stride + i, s->base[at]);
        }
    }
    return index;
}

/* Poisoned: the operation must overwrite all of it. */
static inline int add_output(struct run *r, int64_t count, int gradient_of)
{
    const int index = r->count;
    struct slot *s = add_slot(r, count);
    s->result = true;
    s->gradient_of = gradient_of;
    for (int64_t i = 0; i < s->view.stride * r->e.members; i++) {
        put(r, s->view, i, NAN);
    }
    return index;
}

/* A gradient that the operation adds to. */
static inline int add_sum(struct run *r, int64_t count, int gradient_of)
{
    const int index = add_input(r, count, 1, 0);
    r->slots[index].result = true;
    r->slots[index].gradient_of = gradient_of;
    return index;
}

static inline struct esp_view view(const struct run *r, int index)
{
    return r->slots[index].view;
}

/* Integers have their own kind of slot. */
static inline struct esp_view
add_tokens(struct run *r, int64_t count, int vocabulary, bool gaps)
{
    const int index = r->count;
    struct slot *s = add_slot(r, count);
    int32_t *tokens = s->view.data;
    for (int64_t i = 0; i < s->view.stride * r->e.members; i++) {
        const uint32_t word =
            esp_random_at(42, (uint64_t)index, ESP_RANDOM_SIMULATION, (uint64_t)i).word[0];
        tokens[i] = gaps && word % 4 == 0 ? -1 : (int32_t)(word / 4 % (uint32_t)vocabulary);
    }
    return s->view;
}

static inline struct run start_run(const struct esp_kernels *k, struct extents e)
{
    e.heads = e.heads ? e.heads : 1;
    e.vocabulary = e.vocabulary ? e.vocabulary : 5;
    struct run r = {.k = k, .e = e, .nudge_slot = -1, .objective_out = -1};
    r.batch = (struct esp_batch){
        .members = e.members, .sequences = e.sequences, .context = e.context};
    for (int m = 0; m < e.members; m++) {
        r.control[m] = (struct esp_control){.active = 1,
                                            .sequences = e.sequences,
                                            .seed = 100 + (uint64_t)m,
                                            .step = 5,
                                            .first_sequence = 2,
                                            .dropout = e.dropout,
                                            .loss_scale = 1};
    }
    return r;
}

static inline void end_run(struct run *r)
{
    for (int i = 0; i < r->count; i++) {
        r->k->release(r->k, r->slots[i].view.data);
        free(r->slots[i].base);
    }
    r->count = 0;
}

/* Every element of a slot, members one after another. */
static inline double *values_of(const struct run *r, int index)
{
    const struct slot *s = &r->slots[index];
    double *out = calloc((size_t)(s->count * r->e.members), sizeof *out);
    for (int m = 0; m < r->e.members; m++) {
        for (int64_t i = 0; i < s->count; i++) {
            out[m * s->count + i] = get(r, s->view, m * s->view.stride + i);
        }
    }
    return out;
}

static inline int64_t rows_in(const struct run *r)
{
    return (int64_t)r->e.sequences * r->e.context;
}

/* ops.h: each function runs an operation and its gradient, and registers the results to
 * compare. */
typedef void (*operation)(struct run *);

#endif
