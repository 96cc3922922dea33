#include "environment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t count(char *const *entries)
{
    size_t n = 0;
    while (entries[n]) {
        n++;
    }
    return n;
}

static bool is_set(const char *entry, char *const *set)
{
    for (; *set; set++) {
        size_t name = strcspn(*set, "=") + 1;
        if (strncmp(entry, *set, name) == 0) {
            return true;
        }
    }
    return false;
}

char **esp_environment_with(char *const *set)
{
    size_t used = 0;
    char **out = calloc(count(environ) + count(set) + 1, sizeof *out);
    if (!out) {
        return NULL;
    }
    for (char **entry = environ; *entry; entry++) {
        if (!is_set(*entry, set)) {
            out[used++] = *entry;
        }
    }
    for (; *set; set++) {
        out[used++] = *set;
    }
    return out;
}
