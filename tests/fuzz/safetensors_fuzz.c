/* libFuzzer: a safetensors header never crashes its reader, and an accepted one has the
 * properties that trial/safetensors.h states: different names, and data without gaps.
 *
 * The first two bytes are the size of the data, the rest is the JSON. */
#include "../../trial/safetensors.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct esp_safetensors_header header;
    struct esp_error error;
    if (size < 2) {
        return 0;
    }
    uint64_t bytes = (uint64_t)(data[0] | data[1] << 8);
    if (esp_safetensors_parse((const char *)data + 2, size - 2, bytes, &header, &error) != 0) {
        return 0;
    }
    uint64_t end = 0;
    for (size_t i = 0; i < header.count; i++) {
        const struct esp_safetensors_tensor *t = &header.tensors[i];
        if (t->begin != end || t->end < t->begin ||
            esp_safetensors_find(&header, t->name) != t) {
            abort();
        }
        end = t->end;
    }
    if (end != bytes) {
        abort();
    }
    esp_safetensors_release(&header);
    return 0;
}
