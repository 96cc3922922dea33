/* See fiber.h. */
#include "fiber.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

void esp_emu_fiber_create(struct esp_emu_fiber *fiber)
{
    if (fiber->stack) {
        return;
    }
    fiber->stack = mmap(NULL,
                        ESP_EMU_STACK_BYTES,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                        -1,
                        0);
    assert(fiber->stack != MAP_FAILED);
}

/* A fiber that has ended never unwinds its last frames: AddressSanitizer must drop its marks
 * there before the stack is reused. */
static void forget_frames(struct esp_emu_fiber *fiber)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_unpoison_memory_region(fiber->stack, ESP_EMU_STACK_BYTES);
#else
    (void)fiber;
#endif
}

#if defined(__x86_64__)

extern "C" void esp_emu_switch_stacks(void **save, void *next);
extern "C" void esp_emu_first_step(void);

/* rbx, rbp and r12 … r15 are callee-saved (System V ABI). A new fiber starts with its entry in
 * r12 and the argument in r13. */
__asm__(".text\n"
        ".globl esp_emu_switch_stacks\n"
        ".type esp_emu_switch_stacks,@function\n"
        "esp_emu_switch_stacks:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size esp_emu_switch_stacks,.-esp_emu_switch_stacks\n"
        ".globl esp_emu_first_step\n"
        ".type esp_emu_first_step,@function\n"
        "esp_emu_first_step:\n"
        "    movq %r13, %rdi\n"
        "    callq *%r12\n"
        "    ud2\n"
        ".size esp_emu_first_step,.-esp_emu_first_step\n"
        ".section .note.GNU-stack,\"\",@progbits\n"
        ".text\n");

void esp_emu_fiber_prepare(struct esp_emu_fiber *fiber, void (*entry)(void *), void *argument)
{
    forget_frames(fiber);
    uintptr_t *top = (uintptr_t *)((char *)fiber->stack + ESP_EMU_STACK_BYTES);
    /* popped in the order r15, r14, r13, r12, rbx, rbp, return address; the stack is then a
     * multiple of 16, as required before a call */
    top -= 9;
    memset(top, 0, 9 * sizeof *top);
    top[2] = (uintptr_t)argument;
    top[3] = (uintptr_t)entry;
    top[6] = (uintptr_t)esp_emu_first_step;
    fiber->context = top;
}

void esp_emu_fiber_switch(struct esp_emu_fiber *from, struct esp_emu_fiber *to)
{
    esp_emu_switch_stacks(&from->context, to->context);
}

#else

#include <ucontext.h>

static void start(unsigned entry_high, unsigned entry_low, unsigned high, unsigned low)
{
    const uintptr_t entry = ((uintptr_t)entry_high << 16 << 16) | entry_low;
    const uintptr_t argument = ((uintptr_t)high << 16 << 16) | low;
    ((void (*)(void *))entry)((void *)argument);
}

static ucontext_t *context_of(struct esp_emu_fiber *fiber)
{
    if (!fiber->context) {
        fiber->context = calloc(1, sizeof(ucontext_t));
        assert(fiber->context);
    }
    return (ucontext_t *)fiber->context;
}

void esp_emu_fiber_prepare(struct esp_emu_fiber *fiber, void (*entry)(void *), void *argument)
{
    forget_frames(fiber);
    ucontext_t *context = context_of(fiber);
    getcontext(context);
    context->uc_stack.ss_sp = fiber->stack;
    context->uc_stack.ss_size = ESP_EMU_STACK_BYTES;
    context->uc_link = NULL;
    const uintptr_t e = (uintptr_t)entry, a = (uintptr_t)argument;
    makecontext(context,
                (void (*)(void))start,
                4,
                (unsigned)(e >> 16 >> 16),
                (unsigned)e,
                (unsigned)(a >> 16 >> 16),
                (unsigned)a);
}

void esp_emu_fiber_switch(struct esp_emu_fiber *from, struct esp_emu_fiber *to)
{
    swapcontext(context_of(from), context_of(to));
}

#endif
