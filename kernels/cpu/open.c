/* Opens the CPU backend at the best level that the processor supports, and manages its memory.
 */
#include "levels.h"
#include "onednn.h"
#include "ring.h"
#include "state.h"

#include <assert.h>
#include <cblas.h>
#include <cpuid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One AVX-512 register, one cache line. */
#define ALIGNMENT 64

/* Memory that one TLB entry can cover. A product reads eight rows and a packed panel at a time,
 * each on different pages: with 4 KiB pages a model of ten million parameters needs more
 * entries than the TLB has. */
#define HUGE_PAGE ((size_t)1 << 21)

struct cpu_backend {
    struct esp_kernels kernels;
    struct esp_cpu_state state;
};

static int memory(const struct esp_kernels *kernels, size_t *free_bytes, size_t *total_bytes)
{
    (void)kernels;
    const long page = sysconf(_SC_PAGESIZE);
    const long available = sysconf(_SC_AVPHYS_PAGES);
    const long all = sysconf(_SC_PHYS_PAGES);
    if (page <= 0 || available < 0 || all < 0) {
        return -ENOSYS;
    }
    *free_bytes = (size_t)available * (size_t)page;
    *total_bytes = (size_t)all * (size_t)page;
    return 0;
}

/* Refuses more than the machine has at once; otherwise the kernel would grant it and end the
 * process later. */
static void *allocate(const struct esp_kernels *kernels, size_t bytes)
{
    size_t available = 0, all = SIZE_MAX;
    memory(kernels, &available, &all);
    if (bytes > all || bytes > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    const size_t alignment = bytes >= HUGE_PAGE ? HUGE_PAGE : ALIGNMENT;
    size_t whole = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    void *place; /* aligned_alloc needs a size that is a multiple of the alignment */
    if (posix_memalign(&place, alignment, whole ? whole : ALIGNMENT) != 0) {
        return NULL;
    }
    if (whole >= HUGE_PAGE) {
        /* only advice: everything works without it */
        (void)madvise(place, whole / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
    }
    memset(place, 0, whole);
    return place;
}

static void release(const struct esp_kernels *kernels, void *memory)
{
    (void)kernels;
    free(memory);
}

static void zero(const struct esp_kernels *kernels, void *memory, size_t bytes)
{
    (void)kernels;
    memset(memory, 0, bytes);
}

static void copy(const struct esp_kernels *kernels, void *to, const void *from, size_t bytes)
{
    (void)kernels;
    memmove(to, from, bytes);
}

static int transfer(const struct esp_kernels *kernels, void *to, const void *from, size_t bytes)
{
    copy(kernels, to, from, bytes);
    return 0;
}

static int synchronise(const struct esp_kernels *kernels, struct esp_error *error)
{
    const struct esp_cpu_state *state = kernels->state;
    return esp_cpu_onednn_failure(state->onednn, error);
}

static void close_cpu(struct esp_kernels *kernels)
{
    struct cpu_backend *backend = (struct cpu_backend *)kernels;
    free(backend->state.pack); /* includes scratch and left */
    esp_cpu_onednn_close(backend->state.onednn);
    free(backend);
}

/* Reads the processor's name from cpuid, leaves 0x80000002 … 4. */
static void name_processor(char *name, size_t size)
{
    unsigned words[12] = {0};
    for (unsigned i = 0; i < 3; i++) {
        unsigned *w = words + 4 * i;
        if (!__get_cpuid(0x80000002u + i, &w[0], &w[1], &w[2], &w[3])) {
            snprintf(name, size, "x86-64 processor");
            return;
        }
    }
    char text[sizeof words + 1] = {0};
    memcpy(text, words, sizeof words);
    snprintf(name, size, "%s", text + strspn(text, " "));
}

static bool has_bf16(void)
{
    return esp_cpu_level_supported(ESP_CPU_F32_V4) && __builtin_cpu_supports("avx512bf16");
}

bool esp_cpu_level_supported(enum esp_cpu_level level)
{
    switch (level) {
    case ESP_CPU_F32_V3:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
               __builtin_cpu_supports("bmi2");
    case ESP_CPU_F32_V4:
        return esp_cpu_level_supported(ESP_CPU_F32_V3) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    case ESP_CPU_BF16:
        return has_bf16() && esp_cpu_onednn_available();
    default:
        return true;
    }
}

/* The three parts share one huge page, since every product uses them. */
static bool open_memory(const struct esp_kernels *kernels, struct esp_cpu_state *state)
{
    const size_t pack = ESP_CPU_PACK * kernels->real_bytes;
    const size_t left = (size_t)ESP_CPU_PACK_DEPTH * ESP_CPU_PACK_ROWS * kernels->real_bytes;
    const size_t all = pack + left + ESP_CPU_SCRATCH * kernels->real_bytes;
    _Static_assert(ESP_CPU_PACK * sizeof(float) % ALIGNMENT == 0, "aligned parts");
    uint8_t *place = allocate(kernels, all < HUGE_PAGE ? HUGE_PAGE : all);
    if (!place) {
        return false;
    }
    state->pack = place;
    state->left = place + pack;
    state->scratch = place + pack + left;
    return true;
}

static int open_as(const struct esp_kernels *kernels,
                   enum esp_precision precision,
                   struct esp_kernels **out,
                   struct esp_error *error)
{
    (void)kernels;
    return esp_kernels_open_cpu_as(precision, out, error);
}

int esp_kernels_open_cpu_level(enum esp_cpu_level level,
                               struct esp_kernels **kernels,
                               struct esp_error *error)
{
    static void (*const fill[ESP_CPU_LEVEL_COUNT])(struct esp_kernels *) = {
        [ESP_CPU_F32_V1] = esp_cpu_fill_f32_v1,
        [ESP_CPU_F32_V3] = esp_cpu_fill_f32_v3,
        [ESP_CPU_F32_V4] = esp_cpu_fill_f32_v4,
        [ESP_CPU_F64] = esp_cpu_fill_f64_v1,
#ifdef ESP_CPU_ONEDNN
        [ESP_CPU_BF16] = esp_cpu_fill_bf16,
#endif
    };
    assert(level < ESP_CPU_LEVEL_COUNT);
    if (level == ESP_CPU_BF16 && !has_bf16()) {
        return esp_error_set(error,
                             -ENOTSUP,
                             "precision bf16 on a CPU needs a processor with AVX512_BF16; use "
                             "fp32 or auto");
    }
    if (level != ESP_CPU_BF16 && !esp_cpu_level_supported(level)) {
        return esp_error_set(
            error, -ENOTSUP, "this processor does not support level %d", (int)level);
    }
    struct cpu_backend *backend = calloc(1, sizeof *backend);
    if (!backend) {
        return esp_error_set(error, -ENOMEM, "out of memory opening the CPU backend");
    }
    struct esp_kernels *k = &backend->kernels;
    *k = (struct esp_kernels){
        .version = ESP_KERNELS_VERSION,
        .name = "cpu",
        .alignment = ALIGNMENT,
        .vocabulary_multiple = 1,
        .precision = level == ESP_CPU_BF16 ? ESP_PRECISION_BF16 : ESP_PRECISION_FP32,
        .host_memory = true,
        .state = &backend->state,
        .allocate = allocate,
        .release = release,
        .memory = memory,
        .zero = zero,
        .copy = copy,
        .upload = transfer,
        .download = transfer,
        .synchronise = synchronise,
        .close = close_cpu,
        .open_as = open_as,
    };
    int rc = level == ESP_CPU_BF16 ? esp_cpu_onednn_open(&backend->state.onednn, error) : 0;
    if (rc != 0) {
        close_cpu(k);
        return rc;
    }
    fill[level](k);
    esp_cpu_fill_ring(k);
    if (!open_memory(k, &backend->state)) {
        close_cpu(k);
        return esp_error_set(error, -ENOMEM, "out of memory opening the CPU backend");
    }
    name_processor(k->device, sizeof k->device);
    /* A BLAS with several threads would compete with the other trial processes for the cores.
     */
    openblas_set_num_threads(1);
    *kernels = k;
    return 0;
}

int esp_kernels_open_cpu_as(enum esp_precision precision,
                            struct esp_kernels **kernels,
                            struct esp_error *error)
{
    enum esp_cpu_level level = ESP_CPU_F32_V4;
    switch (precision) {
    case ESP_PRECISION_BF16:
        return esp_kernels_open_cpu_level(ESP_CPU_BF16, kernels, error);
    case ESP_PRECISION_FP16:
        return esp_error_set(
            error, -ENOTSUP, "a CPU computes in fp32 or bf16, not in fp16; use auto");
    case ESP_PRECISION_AUTO:
    case ESP_PRECISION_FP32:
    case ESP_PRECISION_TF32:
        break;
    }
    while (!esp_cpu_level_supported(level)) {
        level--;
    }
    return esp_kernels_open_cpu_level(level, kernels, error);
}

int esp_kernels_open_cpu(struct esp_kernels **kernels, struct esp_error *error)
{
    return esp_kernels_open_cpu_as(ESP_PRECISION_AUTO, kernels, error);
}

int esp_kernels_open_cpu_f64(struct esp_kernels **kernels, struct esp_error *error)
{
    return esp_kernels_open_cpu_level(ESP_CPU_F64, kernels, error);
}
