/* Runs a grid: the scheduler of an emulated block's threads.
 *
 *   READY ──runs──> WAITS_WARP    until all 32 lanes of its warp have arrived
 *                   WAITS_BLOCK   until all threads of the block have arrived
 *                   DONE
 *
 * A thread that ends while others wait for it is a defect of the kernel, and so is a block in
 * which no thread is ready: both end the program by assertion. */
#include "emu.h"
#include "fiber.h"
#include "order.h"

#include <map>
#include <stdlib.h>
#include <vector>

enum thread_state { READY, WAITS_WARP, WAITS_BLOCK, DONE };

struct emu_thread {
    struct esp_emu_fiber fiber;
    struct esp_emu_place place;
    enum thread_state state;
    int index;
    unsigned exchanges, votes;
    std::vector<struct esp_emu_copy> pending; /* copies not yet committed */
    std::vector<std::vector<struct esp_emu_copy>> groups;
};

struct emu_warp {
    int arrived;
    struct esp_emu_lane lanes[2][ESP_EMU_WARP];
};

struct esp_emu_place esp_emu_thread, esp_emu_block;
dim3 esp_emu_block_extent, esp_emu_grid_extent;

static struct {
    struct emu_thread threads[ESP_EMU_THREADS_MAX];
    struct emu_warp warps[ESP_EMU_THREADS_MAX / ESP_EMU_WARP];
    int order[ESP_EMU_THREADS_MAX];
    struct esp_emu_fiber scheduler;
    const std::function<void()> *body;
    struct emu_thread *running;
    unsigned char *shared;
    int count, done, arrived;
    int votes[3]; /* of the last barrier, the current one and the next */
    enum esp_emu_order how;
    uint64_t random;
    std::map<const void *, size_t> shared_limits;
} emu;

/* A block may use 48 KiB of shared memory; after cudaFuncSetAttribute Hopper's 227 KiB. */
#define SHARED_DEFAULT (48 * 1024)
#define SHARED_MAX (227 * 1024)

extern "C" void esp_emu_set_order(enum esp_emu_order order, uint64_t seed)
{
    emu.how = order;
    emu.random = seed * 2 + 1;
}

cudaError_t
esp_emu_func_set_attribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
        value > SHARED_MAX) {
        return cudaErrorInvalidValue;
    }
    emu.shared_limits[kernel] = (size_t)value;
    return cudaSuccess;
}

static void yield(enum thread_state state)
{
    struct emu_thread *self = emu.running;
    self->state = state;
    esp_emu_fiber_switch(&self->fiber, &emu.scheduler);
}

static void enter(void *argument)
{
    (*emu.body)();
    struct emu_thread *self = (struct emu_thread *)argument;
    assert(self->pending.empty() && self->groups.empty()); /* every copy was waited for */
    emu.done++;
    yield(DONE);
}

void __syncthreads(void)
{
    assert(emu.done == 0); /* no thread has left before a barrier */
    if (++emu.arrived < emu.count) {
        yield(WAITS_BLOCK);
        return;
    }
    emu.arrived = 0;
    for (int i = 0; i < emu.count; i++) {
        assert(emu.threads[i].state == WAITS_BLOCK || &emu.threads[i] == emu.running);
        emu.threads[i].state = READY;
    }
    /* the last thread to arrive is not the first to continue */
    yield(READY);
}

int __syncthreads_or(int predicate)
{
    struct emu_thread *self = emu.running;
    const unsigned now = self->votes++ % 3;
    /* all threads have read this one, and none is past the next barrier */
    emu.votes[(now + 1) % 3] = 0;
    emu.votes[now] |= predicate != 0;
    __syncthreads();
    return emu.votes[now];
}

void __syncwarp(unsigned mask)
{
    struct emu_warp *warp = &emu.warps[emu.running->index / ESP_EMU_WARP];
    assert(mask == 0xffffffffu);
    if (++warp->arrived < ESP_EMU_WARP) {
        yield(WAITS_WARP);
        return;
    }
    warp->arrived = 0;
    struct emu_thread *first = &emu.threads[emu.running->index / ESP_EMU_WARP * ESP_EMU_WARP];
    for (int i = 0; i < ESP_EMU_WARP; i++) {
        assert(first[i].state == WAITS_WARP || &first[i] == emu.running);
        first[i].state = READY;
    }
}

int esp_emu_lane_index(void)
{
    return emu.running->index % ESP_EMU_WARP;
}

const struct esp_emu_lane *esp_emu_exchange(const struct esp_emu_lane *mine)
{
    struct emu_thread *self = emu.running;
    struct emu_warp *warp = &emu.warps[self->index / ESP_EMU_WARP];
    struct esp_emu_lane *lanes = warp->lanes[self->exchanges++ & 1];
    lanes[self->index % ESP_EMU_WARP] = *mine;
    __syncwarp();
    return lanes;
}

unsigned char *esp_emu_shared(void)
{
    return emu.shared;
}

static void carry_out(const std::vector<struct esp_emu_copy> &copies)
{
    for (const struct esp_emu_copy &c : copies) {
        memcpy(c.to, c.from, (size_t)c.filled);
        memset((char *)c.to + c.filled, 0, (size_t)(c.bytes - c.filled));
    }
}

void esp_emu_copy_async(void *to, const void *from, int filled)
{
    assert((uintptr_t)to % 16 == 0 && (uintptr_t)from % 16 == 0 && filled >= 0 && filled <= 16);
    emu.running->pending.push_back({to, from, 16, filled});
}

void esp_emu_copy_commit(void)
{
    emu.running->groups.push_back(emu.running->pending);
    emu.running->pending.clear();
}

void esp_emu_copy_wait(int groups_left)
{
    std::vector<std::vector<struct esp_emu_copy>> &groups = emu.running->groups;
    while ((int)groups.size() > groups_left) {
        carry_out(groups.front());
        groups.erase(groups.begin());
    }
}

/* xorshift64* (Vigna 2016): good enough for orders. */
static uint64_t draw(void)
{
    emu.random ^= emu.random >> 12;
    emu.random ^= emu.random << 25;
    emu.random ^= emu.random >> 27;
    return emu.random * 0x2545F4914F6CDD1Dull;
}

static void put_in_order(int *order, int count)
{
    for (int i = 0; i < count; i++) {
        order[i] = emu.how == ESP_EMU_REVERSED ? count - 1 - i : i;
    }
    for (int i = count - 1; emu.how == ESP_EMU_SHUFFLED && i > 0; i--) {
        int j = (int)(draw() % (uint64_t)(i + 1));
        int swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

static void run_block(void)
{
    emu.done = emu.arrived = 0;
    emu.votes[0] = emu.votes[1] = emu.votes[2] = 0;
    for (int i = 0; i < emu.count; i++) {
        struct emu_thread *t = &emu.threads[i];
        esp_emu_fiber_create(&t->fiber);
        t->index = i;
        t->state = READY;
        t->exchanges = t->votes = 0;
        t->place.x = (unsigned)i % esp_emu_block_extent.x;
        t->place.y = (unsigned)i / esp_emu_block_extent.x % esp_emu_block_extent.y;
        t->place.z = (unsigned)i / esp_emu_block_extent.x / esp_emu_block_extent.y;
        esp_emu_fiber_prepare(&t->fiber, enter, t);
    }
    put_in_order(emu.order, emu.count);
    while (emu.done < emu.count) {
        bool progress = false;
        for (int i = 0; i < emu.count; i++) {
            struct emu_thread *t = &emu.threads[emu.order[i]];
            if (t->state == READY) {
                emu.running = t;
                esp_emu_thread = t->place;
                esp_emu_fiber_switch(&emu.scheduler, &t->fiber);
                progress = true;
            }
        }
        assert(progress); /* a barrier that not all threads reach */
    }
}

void esp_emu_run_grid(dim3 grid,
                      dim3 block,
                      size_t shared_bytes,
                      const void *kernel,
                      const std::function<void()> &thread)
{
    static std::vector<int> blocks;
    const int count = (int)(grid.x * grid.y * grid.z);
    auto limit = emu.shared_limits.find(kernel);
    assert(shared_bytes <= (limit == emu.shared_limits.end() ? SHARED_DEFAULT : limit->second));
    emu.count = (int)(block.x * block.y * block.z);
    assert(emu.count > 0 && emu.count <= ESP_EMU_THREADS_MAX && emu.count % ESP_EMU_WARP == 0);
    assert(count > 0 && grid.y <= 65535 && grid.z <= 65535);
    emu.body = &thread;
    esp_emu_block_extent = block;
    esp_emu_grid_extent = grid;
    blocks.resize((size_t)count);
    put_in_order(blocks.data(), count);
    for (int at : blocks) {
        const unsigned i = (unsigned)at;
        esp_emu_block.x = i % grid.x;
        esp_emu_block.y = i / grid.x % grid.y;
        esp_emu_block.z = i / grid.x / grid.y;
        void *shared = NULL;
        const int rc = posix_memalign(&shared, 128, shared_bytes);
        assert(rc == 0);
        (void)rc;
        emu.shared = (unsigned char *)shared;
        memset(emu.shared, 0xff, shared_bytes);
        run_block();
        free(emu.shared);
    }
}
