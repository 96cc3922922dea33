#include "random.h"

#include <sys/random.h>

uint64_t esp_system_random(void)
{
    uint64_t value = 0;
    while (value == 0) {
        if (getrandom(&value, sizeof value, 0) != sizeof value) {
            value = 0;
        }
    }
    return value;
}
