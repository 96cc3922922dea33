#include "output.h"

#include <errno.h>
#include <espalier/exit.h>
#include <stdio.h>
#include <string.h>

int esp_exit_of(int rc)
{
    switch (-rc) {
    case ENOENT:
    case EINVAL:
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ENOTSUP:
        return ESP_EXIT_USAGE;
    default:
        return ESP_EXIT_FAILURE;
    }
}

int esp_print_bytes(const char *bytes, size_t size, struct esp_error *error)
{
    if ((size > 0 && fwrite(bytes, size, 1, stdout) != 1) || fflush(stdout) != 0) {
        if (errno != EPIPE) {
            esp_error_set(error, -errno, "stdout: %s.", strerror(errno));
        }
        return ESP_EXIT_FAILURE;
    }
    return ESP_EXIT_DONE;
}

int esp_print(const struct esp_buffer *text, struct esp_error *error)
{
    if (text->failed) {
        esp_error_set(error, -ENOMEM, "out of memory.");
        return ESP_EXIT_FAILURE;
    }
    return esp_print_bytes(esp_buffer_get(text), text->size, error);
}
