/* Headers of safetensors files. See safetensors.h. */
#include "safetensors.h"

#include "safetensors_json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limit of elements × bytes of an element: below 2^63 × 8. */
static const struct {
    const char *name;
    unsigned bytes;
    enum esp_safetensors_type type;
} dtypes[] = {
    {"F32", 4, ESP_SAFETENSORS_F32},
    {"F16", 2, ESP_SAFETENSORS_F16},
    {"BF16", 2, ESP_SAFETENSORS_BF16},
    {"F64", 8, ESP_SAFETENSORS_OTHER},
    {"I64", 8, ESP_SAFETENSORS_OTHER},
    {"I32", 4, ESP_SAFETENSORS_OTHER},
    {"I16", 2, ESP_SAFETENSORS_OTHER},
    {"I8", 1, ESP_SAFETENSORS_OTHER},
    {"U64", 8, ESP_SAFETENSORS_OTHER},
    {"U32", 4, ESP_SAFETENSORS_OTHER},
    {"U16", 2, ESP_SAFETENSORS_OTHER},
    {"U8", 1, ESP_SAFETENSORS_OTHER},
    {"BOOL", 1, ESP_SAFETENSORS_OTHER},
    {"F8_E5M2", 1, ESP_SAFETENSORS_OTHER},
    {"F8_E4M3", 1, ESP_SAFETENSORS_OTHER},
};

struct parser {
    struct esp_json json;
    struct esp_safetensors_header *header;
    size_t room;
    struct esp_error *error;
};

static int refuse_tensor(const struct parser *p,
                         const struct esp_safetensors_tensor *tensor,
                         const char *words)
{
    return esp_error_set(p->error, -EBADMSG, "the tensor '%.200s' %s", tensor->name, words);
}

/* Sets the error from the JSON reader's fault. */
static int refuse_json(const struct parser *p)
{
    return esp_error_set(p->error,
                         -EBADMSG,
                         "its header is not well formed at byte %zu: %s",
                         p->json.at,
                         p->json.fault);
}

static int parse_dtype(struct parser *p, struct esp_safetensors_tensor *tensor, unsigned *bytes)
{
    char *name;
    if (!esp_json_read_string(&p->json, &name)) {
        return refuse_json(p);
    }
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            tensor->dtype = name;
            tensor->type = dtypes[i].type;
            *bytes = dtypes[i].bytes;
            return 0;
        }
    }
    return esp_error_set(p->error,
                         -EBADMSG,
                         "the tensor '%.200s' has the unknown type '%.40s'",
                         tensor->name,
                         name);
}

/* Reads a list of numbers, at most `most`. */
static int parse_numbers(struct parser *p,
                         const struct esp_safetensors_tensor *tensor,
                         int64_t *numbers,
                         int most,
                         int *count)
{
    *count = 0;
    if (!esp_json_expect(&p->json, '[', "a list of numbers is expected")) {
        return refuse_json(p);
    }
    if (esp_json_sign(&p->json, ']')) {
        return 0;
    }
    do {
        if (*count == most) {
            return refuse_tensor(p, tensor, "has too many numbers in its shape or offsets");
        }
        if (!esp_json_integer(&p->json, &numbers[*count])) {
            return refuse_json(p);
        }
        ++*count;
    } while (esp_json_sign(&p->json, ','));
    return esp_json_expect(&p->json, ']', "a list does not end") ? 0 : refuse_json(p);
}

enum { HAS_DTYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

static int parse_field(struct parser *p,
                       struct esp_safetensors_tensor *tensor,
                       unsigned *bytes,
                       unsigned *has)
{
    char *key;
    int64_t offsets[2];
    int count, rc;
    unsigned field;
    if (!esp_json_read_string(&p->json, &key) || !esp_json_expect(&p->json, ':', "no ':'")) {
        return refuse_json(p);
    }
    if (strcmp(key, "dtype") == 0) {
        field = HAS_DTYPE;
        rc = parse_dtype(p, tensor, bytes);
    } else if (strcmp(key, "shape") == 0) {
        field = HAS_SHAPE;
        rc = parse_numbers(p, tensor, tensor->shape, ESP_SAFETENSORS_RANK_MAX, &tensor->rank);
    } else if (strcmp(key, "data_offsets") == 0) {
        field = HAS_OFFSETS;
        rc = parse_numbers(p, tensor, offsets, 2, &count);
        if (rc == 0 && count != 2) {
            rc = refuse_tensor(p, tensor, "needs two data_offsets");
        } else if (rc == 0) {
            tensor->begin = (uint64_t)offsets[0];
            tensor->end = (uint64_t)offsets[1];
        }
    } else {
        return esp_error_set(p->error,
                             -EBADMSG,
                             "the tensor '%.200s' has the unknown key '%.40s'",
                             tensor->name,
                             key);
    }
    if (rc == 0 && (*has & field)) {
        rc = refuse_tensor(p, tensor, "has a key twice");
    }
    *has |= field;
    return rc;
}

static int check_extent(const struct parser *p,
                        const struct esp_safetensors_tensor *tensor,
                        unsigned element_bytes,
                        uint64_t data_bytes)
{
    uint64_t bytes = element_bytes;
    for (int d = 0; d < tensor->rank; d++) {
        if (__builtin_mul_overflow(bytes, (uint64_t)tensor->shape[d], &bytes)) {
            return refuse_tensor(p, tensor, "has a shape beyond 2^64 bytes");
        }
    }
    if (tensor->end < tensor->begin || tensor->end - tensor->begin != bytes) {
        return esp_error_set(p->error,
                             -EBADMSG,
                             "the tensor '%.200s' has %" PRIu64 " bytes by its shape and type, "
                             "but data_offsets [%" PRIu64 ", %" PRIu64 "]",
                             tensor->name,
                             bytes,
                             tensor->begin,
                             tensor->end);
    }
    if (tensor->end > data_bytes) {
        return esp_error_set(p->error,
                             -EBADMSG,
                             "is truncated: the tensor '%.200s' ends at byte %" PRIu64
                             " of its data, of which there are %" PRIu64,
                             tensor->name,
                             tensor->end,
                             data_bytes);
    }
    return 0;
}

static int parse_tensor(struct parser *p, const char *name, uint64_t data_bytes)
{
    struct esp_safetensors_header *header = p->header;
    if (header->count == ESP_SAFETENSORS_TENSORS_MAX) {
        return esp_error_set(
            p->error, -EBADMSG, "has more than %d tensors", ESP_SAFETENSORS_TENSORS_MAX);
    }
    if (header->count == p->room) {
        size_t room = p->room ? 2 * p->room : 256;
        void *grown = realloc(header->tensors, room * sizeof *header->tensors);
        if (!grown) {
            return esp_error_set(p->error, -ENOMEM, "no memory for %zu tensors", room);
        }
        header->tensors = grown;
        p->room = room;
    }
    struct esp_safetensors_tensor *tensor = &header->tensors[header->count];
    unsigned has = 0, bytes = 0;
    *tensor = (struct esp_safetensors_tensor){.name = name};
    if (!esp_json_expect(&p->json, '{', "a tensor's description is expected")) {
        return refuse_json(p);
    }
    do {
        int rc = parse_field(p, tensor, &bytes, &has);
        if (rc != 0) {
            return rc;
        }
    } while (esp_json_sign(&p->json, ','));
    if (!esp_json_expect(&p->json, '}', "a description does not end")) {
        return refuse_json(p);
    }
    if (has != HAS_ALL) {
        return refuse_tensor(p, tensor, "needs dtype, shape and data_offsets");
    }
    header->count++;
    return check_extent(p, tensor, bytes, data_bytes);
}

/* Reads an object of strings, all of which are ignored. */
static int parse_metadata(struct parser *p)
{
    char *text;
    if (!esp_json_expect(&p->json, '{', "__metadata__ is expected to be an object")) {
        return refuse_json(p);
    }
    if (esp_json_sign(&p->json, '}')) {
        return 0;
    }
    do {
        if (!esp_json_read_string(&p->json, &text) ||
            !esp_json_expect(&p->json, ':', "no ':'") ||
            !esp_json_read_string(&p->json, &text)) {
            return refuse_json(p);
        }
    } while (esp_json_sign(&p->json, ','));
    return esp_json_expect(&p->json, '}', "__metadata__ does not end") ? 0 : refuse_json(p);
}

static int parse_entries(struct parser *p, uint64_t data_bytes)
{
    bool metadata = false;
    if (!esp_json_expect(&p->json, '{', "it does not begin with '{'")) {
        return refuse_json(p);
    }
    if (!esp_json_sign(&p->json, '}')) {
        do {
            char *name;
            if (!esp_json_read_string(&p->json, &name) ||
                !esp_json_expect(&p->json, ':', "no ':'")) {
                return refuse_json(p);
            }
            bool is_metadata = strcmp(name, "__metadata__") == 0;
            if (is_metadata && metadata) {
                return esp_error_set(p->error, -EBADMSG, "has __metadata__ twice");
            }
            metadata = metadata || is_metadata;
            int rc = is_metadata ? parse_metadata(p) : parse_tensor(p, name, data_bytes);
            if (rc != 0) {
                return rc;
            }
        } while (esp_json_sign(&p->json, ','));
        if (!esp_json_expect(&p->json, '}', "the header does not end")) {
            return refuse_json(p);
        }
    }
    return esp_json_end(&p->json) ? 0 : refuse_json(p);
}

static int by_name(const void *a, const void *b)
{
    const struct esp_safetensors_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int by_place(const void *a, const void *b)
{
    const struct esp_safetensors_tensor *x = a, *y = b;
    int order = (x->begin > y->begin) - (x->begin < y->begin);
    return order ? order : (x->end > y->end) - (x->end < y->end);
}

static int check_names(const struct parser *p)
{
    struct esp_safetensors_header *header = p->header;
    qsort(header->tensors, header->count, sizeof *header->tensors, by_name);
    for (size_t i = 1; i < header->count; i++) {
        if (strcmp(header->tensors[i - 1].name, header->tensors[i].name) == 0) {
            return refuse_tensor(p, &header->tensors[i], "appears twice");
        }
    }
    return 0;
}

/* Checks that every byte of the data belongs to exactly one tensor. */
static int check_cover(const struct parser *p, uint64_t data_bytes)
{
    struct esp_safetensors_header *header = p->header;
    uint64_t end = 0;
    if (header->count > 0) {
        qsort(header->tensors, header->count, sizeof *header->tensors, by_place);
    }
    for (size_t i = 0; i < header->count; i++) {
        const struct esp_safetensors_tensor *tensor = &header->tensors[i];
        if (tensor->begin != end) {
            return refuse_tensor(p,
                                 tensor,
                                 tensor->begin > end ? "leaves a hole before its data"
                                                     : "shares bytes with another");
        }
        end = tensor->end;
    }
    if (end != data_bytes) {
        return esp_error_set(p->error,
                             -EBADMSG,
                             "has %" PRIu64 " bytes of data, its tensors %" PRIu64,
                             data_bytes,
                             end);
    }
    return 0;
}

int esp_safetensors_parse(const char *json,
                          size_t size,
                          uint64_t data_bytes,
                          struct esp_safetensors_header *header,
                          struct esp_error *error)
{
    *header = (struct esp_safetensors_header){0};
    struct parser p = {.header = header, .error = error};
    int rc;
    if (size > ESP_SAFETENSORS_HEADER_MAX) {
        return esp_error_set(error,
                             -EBADMSG,
                             "has a header of %zu bytes, more than the %d that are allowed",
                             size,
                             ESP_SAFETENSORS_HEADER_MAX);
    }
    header->text = malloc(size + 1);
    if (!header->text) {
        return esp_error_set(error, -ENOMEM, "no memory for a header of %zu bytes", size);
    }
    memcpy(header->text, json, size);
    p.json = (struct esp_json){.text = header->text, .size = size};
    if (size == 0 || json[0] != '{') {
        rc = esp_error_set(error, -EBADMSG, "its header does not begin with '{'");
    } else {
        rc = parse_entries(&p, data_bytes);
    }
    if (rc == 0 && header->count > 0) { /* qsort must not get NULL */
        rc = check_names(&p);
    }
    if (rc == 0) {
        rc = check_cover(&p, data_bytes);
    }
    if (rc != 0) {
        esp_safetensors_release(header);
    }
    return rc;
}

void esp_safetensors_release(struct esp_safetensors_header *header)
{
    free(header->tensors);
    free(header->text);
    *header = (struct esp_safetensors_header){0};
}

const struct esp_safetensors_tensor *
esp_safetensors_find(const struct esp_safetensors_header *header, const char *name)
{
    for (size_t i = 0; i < header->count; i++) {
        if (strcmp(header->tensors[i].name, name) == 0) {
            return &header->tensors[i];
        }
    }
    return NULL;
}
