/* How the emulator orders threads and blocks: what tests vary. */
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

/* From the next launch on. */
void esp_emu_set_order(enum esp_emu_order order, uint64_t seed);

/* How often the host waited for a whole stream since the start. */
uint64_t esp_emu_synchronisations(void);

/* How often a product's algorithm was asked for since the start. */
uint64_t esp_emu_heuristics(void);

/* Bytes of device memory that the emulated device has: 4 GiB at first. */
void esp_emu_set_memory(size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
