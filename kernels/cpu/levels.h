/* The builds of the CPU operations: float at three levels of x86-64, double at the first, and
 * float with products in bfloat16. */
#ifndef ESP_CPU_LEVELS_H
#define ESP_CPU_LEVELS_H

#include <espalier/kernels.h>

enum esp_cpu_level {
    ESP_CPU_F32_V1, /* SSE2 */
    ESP_CPU_F32_V3, /* AVX2, FMA */
    ESP_CPU_F32_V4, /* AVX-512 F, BW, CD, DQ, VL */
    ESP_CPU_F64,
    ESP_CPU_BF16, /* as F32_V4, and AVX512_BF16; products by oneDNN */
    ESP_CPU_LEVEL_COUNT
};

void esp_cpu_fill_f32_v1(struct esp_kernels *kernels);
void esp_cpu_fill_f32_v3(struct esp_kernels *kernels);
void esp_cpu_fill_f32_v4(struct esp_kernels *kernels);
void esp_cpu_fill_f64_v1(struct esp_kernels *kernels);
void esp_cpu_fill_bf16(struct esp_kernels *kernels);

/* Whether this processor can run a level, and the library that it needs is installed. */
bool esp_cpu_level_supported(enum esp_cpu_level level);

/* Opens one level. -ENOTSUP: the processor lacks it, or the BF16 level's library is not
 * installed. Tests compare every level with the reference; esp_kernels_open_cpu takes the best
 * one. */
int esp_kernels_open_cpu_level(enum esp_cpu_level level,
                               struct esp_kernels **kernels,
                               struct esp_error *error);

#endif
