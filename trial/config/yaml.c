/* Opening and destroying a document, the check of its bytes, and the accessors of nodes. */
#include "yaml_tree.h"

#include <errno.h>
#include <espalier/utf8.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)64 * 1024)

void *esp_yaml_allocate(struct esp_yaml *yaml, size_t size)
{
    struct chunk *chunk = yaml->chunks;
    void *taken;

    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk) {
            return NULL;
        }
        chunk->size = room;
        chunk->next = yaml->chunks;
        yaml->chunks = chunk;
    }
    taken = (char *)chunk->bytes + chunk->used;
    chunk->used += size;
    return taken;
}

static int index_lines(struct esp_yaml *yaml)
{
    size_t count = 1;

    for (size_t i = 0; i < yaml->size; i++) {
        count += yaml->text[i] == '\n';
    }
    yaml->line_starts = malloc(count * sizeof *yaml->line_starts);
    if (!yaml->line_starts) {
        return -ENOMEM;
    }
    yaml->line_starts[0] = 0;
    yaml->line_count = 1;
    for (size_t i = 0; i < yaml->size; i++) {
        if (yaml->text[i] == '\n') {
            yaml->line_starts[yaml->line_count++] = i + 1;
        }
    }
    return 0;
}

void esp_yaml_locate(const struct esp_yaml *yaml, size_t offset, int *line, int *column)
{
    size_t low = 0;
    size_t high = yaml->line_count;
    size_t at;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (yaml->line_starts[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *line = (int)low + 1;
    *column = 1;
    for (at = yaml->line_starts[low]; at < offset && at < yaml->size; (*column)++) {
        size_t step = esp_utf8_length(yaml->text + at, yaml->size - at);
        at += step ? step : 1;
    }
}

/* Adds a fault at the first byte that is not text in UTF-8; libfyaml must not see such text. */
static bool check_bytes(struct esp_yaml *yaml)
{
    const unsigned char *bytes = (const unsigned char *)yaml->text;

    if (yaml->size >= 2 &&
        ((bytes[0] == 0xff && bytes[1] == 0xfe) || (bytes[0] == 0xfe && bytes[1] == 0xff))) {
        esp_yaml_fault(yaml, NULL, "the file is UTF-16; save it as UTF-8");
        return false;
    }
    for (size_t i = 0; i < yaml->size;) {
        size_t step = esp_utf8_length(yaml->text + i, yaml->size - i);
        if (step == 0) {
            esp_yaml_fault_at(
                yaml, i, "the byte 0x%02x is not UTF-8; save the file as UTF-8", bytes[i]);
            return false;
        }
        if ((bytes[i] < 0x20 && bytes[i] != '\t' && bytes[i] != '\n' && bytes[i] != '\r') ||
            bytes[i] == 0x7f) {
            esp_yaml_fault_at(
                yaml, i, "the control character 0x%02x is not allowed in text", bytes[i]);
            return false;
        }
        i += step;
    }
    return true;
}

int esp_yaml_open_text(const char *text,
                       size_t size,
                       const char *name,
                       struct esp_yaml **out,
                       struct esp_error *error)
{
    struct esp_yaml *yaml = calloc(1, sizeof *yaml);
    int rc = -ENOMEM;

    if (!yaml) {
        goto out;
    }
    snprintf(yaml->name, sizeof yaml->name, "%s", name);
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3; /* byte order mark, which some editors write */
        size -= 3;
    }
    yaml->text = malloc(size + 1);
    if (!yaml->text) {
        goto out;
    }
    memcpy(yaml->text, text, size);
    yaml->text[size] = '\0';
    yaml->size = size;
    rc = index_lines(yaml);
    if (rc < 0) {
        goto out;
    }
    if (size > ESP_YAML_BYTES_MAX) {
        esp_yaml_fault(yaml,
                       NULL,
                       "the file has %zu bytes; a study has at most %d",
                       size,
                       ESP_YAML_BYTES_MAX);
    } else if (check_bytes(yaml)) {
        rc = esp_yaml_build(yaml);
        if (rc == 0 && !yaml->root && yaml->fault_count == 0) {
            esp_yaml_fault(yaml, NULL, "the file is empty");
        }
    }

out:
    if (rc < 0) {
        esp_yaml_destroy(yaml);
        return esp_error_set(error, rc, "%s: out of memory", name);
    }
    *out = yaml;
    return 0;
}

/* Reads at most size_max bytes, so that reading a growing file ends. */
static int read_all(int fd, char *bytes, size_t size_max, size_t *size)
{
    *size = 0;
    while (*size < size_max) {
        ssize_t n = read(fd, bytes + *size, size_max - *size);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            return 0;
        }
        *size += (size_t)n;
    }
    return 0;
}

int esp_yaml_open_file(const char *path, struct esp_yaml **out, struct esp_error *error)
{
    size_t size_max = ESP_YAML_BYTES_MAX + 1;
    struct stat about;
    char *bytes = NULL;
    size_t size = 0;
    int rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &about) < 0) {
        rc = esp_error_set(error, -errno, "%s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    if (!S_ISREG(about.st_mode)) {
        rc = S_ISDIR(about.st_mode) ? -EISDIR : -EINVAL;
        esp_error_set(error,
                      rc,
                      "%s: is %s, not a study file",
                      path,
                      S_ISDIR(about.st_mode) ? "a folder" : "not a regular file");
        goto out;
    }
    if (about.st_size > ESP_YAML_BYTES_MAX) {
        rc = esp_error_set(error,
                           -EFBIG,
                           "%s: has %lld bytes; a study file has at most %d",
                           path,
                           (long long)about.st_size,
                           ESP_YAML_BYTES_MAX);
        goto out;
    }
    bytes = malloc(size_max);
    if (!bytes) {
        rc = esp_error_set(error, -ENOMEM, "%s: out of memory", path);
        goto out;
    }
    rc = read_all(fd, bytes, size_max, &size);
    if (rc < 0) {
        esp_error_set(error, rc, "%s: cannot be read: %s", path, strerror(-rc));
        goto out;
    }
    rc = esp_yaml_open_text(bytes, size, path, out, error);

out:
    free(bytes);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

void esp_yaml_destroy(struct esp_yaml *yaml)
{
    if (!yaml) {
        return;
    }
    while (yaml->chunks) {
        struct chunk *next = yaml->chunks->next;
        free(yaml->chunks);
        yaml->chunks = next;
    }
    free(yaml->line_starts);
    free(yaml->text);
    free(yaml);
}

const struct esp_yaml_node *esp_yaml_root(const struct esp_yaml *yaml)
{
    return yaml->root;
}

const char *esp_yaml_text(const struct esp_yaml *yaml)
{
    return yaml->text;
}

const char *esp_yaml_name(const struct esp_yaml *yaml)
{
    return yaml->name;
}

enum esp_yaml_kind esp_yaml_kind(const struct esp_yaml_node *node)
{
    return node->kind;
}

int esp_yaml_line(const struct esp_yaml_node *node)
{
    return node->line;
}

int esp_yaml_column(const struct esp_yaml_node *node)
{
    return node->column;
}

size_t esp_yaml_size(const struct esp_yaml_node *node)
{
    return node->size;
}

const struct esp_yaml_node *esp_yaml_item(const struct esp_yaml_node *node, size_t index)
{
    return index < node->size ? node->values[index] : NULL;
}

const struct esp_yaml_node *esp_yaml_key(const struct esp_yaml_node *node, size_t index)
{
    return node->kind == ESP_YAML_MAPPING && index < node->size ? node->keys[index] : NULL;
}

static size_t find_key(const struct esp_yaml_node *node, const char *key)
{
    if (!node || node->kind != ESP_YAML_MAPPING) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < node->size; i++) {
        if (strcmp(node->keys[i]->text, key) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

const struct esp_yaml_node *esp_yaml_get(const struct esp_yaml_node *node, const char *key)
{
    size_t index = find_key(node, key);

    return index == SIZE_MAX ? NULL : node->values[index];
}

const struct esp_yaml_node *esp_yaml_get_key(const struct esp_yaml_node *node, const char *key)
{
    size_t index = find_key(node, key);

    return index == SIZE_MAX ? NULL : node->keys[index];
}
