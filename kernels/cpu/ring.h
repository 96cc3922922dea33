/* The ring of snapshots, the same at every level. */
#ifndef ESP_CPU_RING_H
#define ESP_CPU_RING_H

#include <espalier/kernels.h>

void esp_cpu_fill_ring(struct esp_kernels *kernels);

#endif
