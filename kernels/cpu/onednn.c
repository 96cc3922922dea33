/* oneDNN's matrix products: one primitive for each shape, made when the shape is first seen.
 * See onednn.h.
 *
 * oneDNN runs its loops under OpenMP. The number of threads is set to one before every product,
 * since a pool of spinning threads would compete with the other trial processes for the cores.
 */
#include "onednn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef ESP_CPU_ONEDNN

#include <dlfcn.h>
#include <dnnl.h>

/* Version 3 changed the interface and the name. */
#define LIBRARY "libdnnl.so.2"

/* Shapes of one training: 3 products × 6 linear operations × 2 numbers of sequences, and those
 * of attention, 7 × the blocks of one context: 16 for 1024. When more are needed, all are
 * discarded and made again as needed. */
#define PRIMITIVES_MAX 512

#define FUNCTIONS(X)                                                                           \
    X(engine_create)                                                                           \
    X(engine_destroy)                                                                          \
    X(stream_create)                                                                           \
    X(stream_destroy)                                                                          \
    X(memory_desc_init_by_strides)                                                             \
    X(memory_create)                                                                           \
    X(memory_destroy)                                                                          \
    X(memory_set_data_handle)                                                                  \
    X(matmul_desc_init)                                                                        \
    X(post_ops_create)                                                                         \
    X(post_ops_destroy)                                                                        \
    X(post_ops_append_sum)                                                                     \
    X(primitive_attr_create)                                                                   \
    X(primitive_attr_destroy)                                                                  \
    X(primitive_attr_set_post_ops)                                                             \
    X(primitive_desc_create)                                                                   \
    X(primitive_desc_destroy)                                                                  \
    X(primitive_create)                                                                        \
    X(primitive_destroy)                                                                       \
    X(primitive_execute)

#define DECLARE(name) __typeof__(dnnl_##name) *name;

struct functions {
    FUNCTIONS(DECLARE)
    void (*set_threads)(int); /* NULL where oneDNN was built without OpenMP */
};

/* Key of a primitive. Compared as bytes, so it has no padding. */
struct form {
    int64_t m, n, k, c_step;
    int64_t a_transposed, b_transposed, accumulate;
};

enum { SOURCE, WEIGHTS, RESULT, OPERANDS };

struct primitive {
    struct form form; /* m = 0: empty */
    dnnl_primitive_t primitive;
    dnnl_memory_t memory[OPERANDS];
};

struct esp_cpu_onednn {
    void *object;
    struct functions call;
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    struct primitive primitives[2 * PRIMITIVES_MAX]; /* open addressing */
    int primitive_count;
    uint16_t *operand[2];
    int64_t room[2];
    int failed;
    const char *verb; /* the call that failed */
};

bool esp_cpu_onednn_available(void)
{
    void *object = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    return object != NULL; /* the library stays loaded: OpenMP's runtime cannot be unloaded */
}

static int load(struct esp_cpu_onednn *l, struct esp_error *error)
{
    l->object = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!l->object) {
        return esp_error_set(
            error,
            -ENOTSUP,
            "precision bf16 on a CPU needs oneDNN: install the package libdnnl2 "
            "(%s)",
            dlerror());
    }
#define RESOLVE(name)                                                                          \
    {                                                                                          \
        void *symbol = dlsym(l->object, "dnnl_" #name);                                        \
        if (!symbol) {                                                                         \
            return esp_error_set(error, -ENOTSUP, LIBRARY " has no dnnl_" #name);              \
        }                                                                                      \
        memcpy(&l->call.name, &symbol, sizeof symbol);                                         \
    }
    FUNCTIONS(RESOLVE)
    void *threads = dlsym(l->object, "omp_set_num_threads");
    memcpy(&l->call.set_threads, &threads, sizeof threads);
    return 0;
}

int esp_cpu_onednn_open(struct esp_cpu_onednn **library, struct esp_error *error)
{
    struct esp_cpu_onednn *l = calloc(1, sizeof *l);
    if (!l) {
        return esp_error_set(error, -ENOMEM, "out of memory opening oneDNN");
    }
    int rc = load(l, error);
    if (rc == 0 && (l->call.engine_create(&l->engine, dnnl_cpu, 0) != dnnl_success ||
                    l->call.stream_create(&l->stream, l->engine, dnnl_stream_default_flags) !=
                        dnnl_success)) {
        rc = esp_error_set(error, -ENOTSUP, "oneDNN does not start on this processor");
    }
    if (rc != 0) {
        esp_cpu_onednn_close(l);
        return rc;
    }
    *library = l;
    return 0;
}

static void forget(struct esp_cpu_onednn *l, struct primitive *p)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (p->memory[i]) {
            l->call.memory_destroy(p->memory[i]);
        }
    }
    if (p->primitive) {
        l->call.primitive_destroy(p->primitive);
    }
    *p = (struct primitive){0};
}

static void forget_all(struct esp_cpu_onednn *l)
{
    for (int i = 0; i < 2 * PRIMITIVES_MAX; i++) {
        forget(l, &l->primitives[i]);
    }
    l->primitive_count = 0;
}

void esp_cpu_onednn_close(struct esp_cpu_onednn *l)
{
    if (!l) {
        return;
    }
    forget_all(l);
    if (l->stream) {
        l->call.stream_destroy(l->stream);
    }
    if (l->engine) {
        l->call.engine_destroy(l->engine);
    }
    free(l->operand[0]);
    free(l->operand[1]);
    free(l);
}

static void fail(struct esp_cpu_onednn *l, const char *verb)
{
    l->failed = -EIO;
    l->verb = verb;
}

uint16_t *esp_cpu_onednn_operand(struct esp_cpu_onednn *l, int operand, int64_t count)
{
    if (count > l->room[operand]) {
        size_t bytes = ((size_t)count * sizeof(uint16_t) + 63) / 64 * 64;
        free(l->operand[operand]);
        l->operand[operand] = aligned_alloc(64, bytes);
        l->room[operand] = l->operand[operand] ? count : 0;
        if (!l->operand[operand]) {
            fail(l, "allocate");
        }
    }
    return l->operand[operand];
}

/* oneDNN's description of a row-major matrix or its transpose. */
static bool describe(struct esp_cpu_onednn *l,
                     dnnl_memory_desc_t *out,
                     dnnl_data_type_t type,
                     const dnnl_dims_t extents,
                     const dnnl_dims_t strides)
{
    return l->call.memory_desc_init_by_strides(out, 2, extents, type, strides) == dnnl_success;
}

static bool make_attributes(struct esp_cpu_onednn *l, bool sum, dnnl_primitive_attr_t *out)
{
    dnnl_post_ops_t ops = NULL;
    if (l->call.primitive_attr_create(out) != dnnl_success) {
        return false;
    }
    if (!sum) {
        return true;
    }
    bool good = l->call.post_ops_create(&ops) == dnnl_success &&
                l->call.post_ops_append_sum(ops, 1) == dnnl_success &&
                l->call.primitive_attr_set_post_ops(*out, ops) == dnnl_success;
    if (ops) {
        l->call.post_ops_destroy(ops);
    }
    return good;
}

static bool make(struct esp_cpu_onednn *l, const struct form *f, struct primitive *p)
{
    dnnl_memory_desc_t desc[OPERANDS];
    dnnl_matmul_desc_t product;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t plan = NULL;
    const dnnl_dims_t extents[OPERANDS] = {{f->m, f->k}, {f->k, f->n}, {f->m, f->n}};
    const dnnl_dims_t strides[OPERANDS] = {
        {f->a_transposed ? 1 : f->k, f->a_transposed ? f->m : 1},
        {f->b_transposed ? 1 : f->n, f->b_transposed ? f->k : 1},
        {f->c_step, 1}};
    bool good = true;
    for (int i = 0; i < OPERANDS && good; i++) {
        good =
            describe(l, &desc[i], i == RESULT ? dnnl_f32 : dnnl_bf16, extents[i], strides[i]);
    }
    good = good &&
           l->call.matmul_desc_init(
               &product, &desc[SOURCE], &desc[WEIGHTS], NULL, &desc[RESULT]) == dnnl_success &&
           make_attributes(l, f->accumulate, &attributes) &&
           l->call.primitive_desc_create(&plan, &product, attributes, l->engine, NULL) ==
               dnnl_success &&
           l->call.primitive_create(&p->primitive, plan) == dnnl_success;
    for (int i = 0; i < OPERANDS && good; i++) {
        good = l->call.memory_create(&p->memory[i], &desc[i], l->engine, DNNL_MEMORY_NONE) ==
               dnnl_success;
    }
    if (plan) {
        l->call.primitive_desc_destroy(plan);
    }
    if (attributes) {
        l->call.primitive_attr_destroy(attributes);
    }
    p->form = *f;
    if (!good) {
        forget(l, p);
    }
    return good;
}

/* FNV-1a over the words of a form. */
static size_t hash_of(const struct form *f)
{
    const int64_t words[] = {
        f->m, f->n, f->k, f->c_step, f->a_transposed, f->b_transposed, f->accumulate};
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        hash = (hash ^ (uint64_t)words[i]) * 1099511628211u;
    }
    return (size_t)(hash >> 32);
}

/* The primitive of this form, made if there is none yet; NULL: failed. */
static struct primitive *primitive_for(struct esp_cpu_onednn *l, const struct form *f)
{
    size_t at = hash_of(f) % (2 * PRIMITIVES_MAX);
    while (l->primitives[at].form.m != 0) {
        if (memcmp(&l->primitives[at].form, f, sizeof *f) == 0) {
            return &l->primitives[at];
        }
        at = (at + 1) % (2 * PRIMITIVES_MAX);
    }
    if (l->primitive_count == PRIMITIVES_MAX) {
        forget_all(l);
        at = hash_of(f) % (2 * PRIMITIVES_MAX);
    }
    if (!make(l, f, &l->primitives[at])) {
        return NULL;
    }
    l->primitive_count++;
    return &l->primitives[at];
}

void esp_cpu_onednn_multiply(struct esp_cpu_onednn *l, const struct esp_cpu_onednn_product *p)
{
    if (l->failed || p->m == 0 || p->n == 0) {
        return;
    }
    if (l->call.set_threads) {
        l->call.set_threads(1);
    }
    const struct form form = {.m = p->m,
                              .n = p->n,
                              .k = p->k,
                              .c_step = p->c_step,
                              .a_transposed = p->a_transposed,
                              .b_transposed = p->b_transposed,
                              .accumulate = p->accumulate};
    struct primitive *found = primitive_for(l, &form);
    if (!found) {
        fail(l, "prepare");
        return;
    }
    void *const data[OPERANDS] = {(void *)(uintptr_t)p->a, (void *)(uintptr_t)p->b, p->c};
    const int names[OPERANDS] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST};
    dnnl_exec_arg_t arguments[OPERANDS];
    for (int i = 0; i < OPERANDS; i++) {
        if (l->call.memory_set_data_handle(found->memory[i], data[i]) != dnnl_success) {
            fail(l, "prepare");
            return;
        }
        arguments[i] = (dnnl_exec_arg_t){.arg = names[i], .memory = found->memory[i]};
    }
    if (l->call.primitive_execute(found->primitive, l->stream, OPERANDS, arguments) !=
        dnnl_success) {
        fail(l, "compute");
    }
}

int esp_cpu_onednn_failure(const struct esp_cpu_onednn *l, struct esp_error *error)
{
    return l && l->failed
               ? esp_error_set(
                     error, l->failed, "oneDNN failed to %s a product in bfloat16", l->verb)
               : 0;
}

#else

bool esp_cpu_onednn_available(void)
{
    return false;
}

int esp_cpu_onednn_open(struct esp_cpu_onednn **library, struct esp_error *error)
{
    (void)library;
    return esp_error_set(error,
                         -ENOTSUP,
                         "precision bf16 on a CPU needs a build with oneDNN 2: install "
                         "libdnnl-dev and build again");
}

void esp_cpu_onednn_close(struct esp_cpu_onednn *library)
{
    (void)library;
}

uint16_t *esp_cpu_onednn_operand(struct esp_cpu_onednn *library, int operand, int64_t count)
{
    (void)library, (void)operand, (void)count;
    return NULL;
}

void esp_cpu_onednn_multiply(struct esp_cpu_onednn *library,
                             const struct esp_cpu_onednn_product *product)
{
    (void)library, (void)product;
}

int esp_cpu_onednn_failure(const struct esp_cpu_onednn *library, struct esp_error *error)
{
    (void)library, (void)error;
    return 0;
}

#endif
