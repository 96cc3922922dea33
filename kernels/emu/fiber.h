/* Fibers: each runs one thread of an emulated block.
 *
 * Stacks are mapped once and reused. A switch saves the callee-saved registers and changes the
 * stack pointer (x86-64), or uses ucontext elsewhere. */
#ifndef ESP_EMU_FIBER_H
#define ESP_EMU_FIBER_H

#include <stddef.h>

/* A kernel's frame holds its register arrays: 64 KiB is ten times the largest frame seen at
 * -O0. */
#define ESP_EMU_STACK_BYTES (64 * 1024)

struct esp_emu_fiber {
    void *stack;
    void *context; /* the saved stack pointer, or a ucontext_t */
};

/* Maps a stack for one fiber; aborts by assertion when there is no memory. */
void esp_emu_fiber_create(struct esp_emu_fiber *fiber);

/* The next switch to it calls entry(argument), which must never return. */
void esp_emu_fiber_prepare(struct esp_emu_fiber *fiber, void (*entry)(void *), void *argument);

/* Continues in `to`; returns when another switch goes back to `from`. */
void esp_emu_fiber_switch(struct esp_emu_fiber *from, struct esp_emu_fiber *to);

#endif
