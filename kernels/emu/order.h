/* Settings of the emulator that tests vary: the order of threads and blocks, and the device's
 * memory. */
#ifndef ESP_EMU_ORDER_H
#define ESP_EMU_ORDER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum esp_emu_order {
    ESP_EMU_FORWARD,
    ESP_EMU_REVERSED,
    ESP_EMU_SHUFFLED,
};

/* Takes effect from the next launch on. */
void esp_emu_set_order(enum esp_emu_order order, uint64_t seed);

/* Number of times that the host waited for a whole stream since the start. */
uint64_t esp_emu_synchronisations(void);

/* Number of requests for a product's algorithm since the start. */
uint64_t esp_emu_heuristics(void);

/* Sets the emulated device's memory in bytes: 4 GiB at first. */
void esp_emu_set_memory(size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
