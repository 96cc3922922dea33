/* Random numbers from the operating system, for ids that must not repeat. */
#ifndef CONTROLLER_SYSTEM_RANDOM_H
#define CONTROLLER_SYSTEM_RANDOM_H

#include <stdint.h>

/* 64 random bits, never 0. */
uint64_t esp_system_random(void);

#endif
