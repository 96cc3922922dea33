#include "agent_id.h"

#include "../system/files.h"
#include "../system/random.h"

#include <errno.h>
#include <espalier/limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int esp_agent_id(const char *dir, uint64_t *id, struct esp_error *error)
{
    char host[64] = "", path[ESP_PATH_MAX], text[64];
    gethostname(host, sizeof host - 1);
    for (char *p = host; *p; p++) {
        *p = *p == '/' ? '_' : *p;
    }
    if (snprintf(path, sizeof path, "%s/agent/id-%s", dir, host) >= (int)sizeof path) {
        return esp_error_set(error, -ENAMETOOLONG, "%s: the path is too long.", dir);
    }
    if (esp_files_read(path, text, sizeof text) > 0) {
        *id = strtoull(text, NULL, 16);
        if (*id != 0) {
            return 0;
        }
    }
    *id = esp_system_random();
    int length = snprintf(text, sizeof text, "%016" PRIx64 "\n", *id);
    return esp_files_write(path, text, (size_t)length, error);
}
