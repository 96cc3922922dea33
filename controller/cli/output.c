#include "output.h"

#include <errno.h>
#include <espalier/exit.h>
#include <stdio.h>
#include <string.h>

int esp_exit_of(int code)
{
    switch (-code) {
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

int esp_print(const struct esp_buffer *text, struct esp_error *error)
{
    if (text->failed) {
        esp_error_set(error, -ENOMEM, "out of memory.");
        return ESP_EXIT_FAILURE;
    }
    if (text->size > 0 && fwrite(text->data, text->size, 1, stdout) != 1) {
        goto failed;
    }
    if (fflush(stdout) == 0) {
        return ESP_EXIT_DONE;
    }
failed:
    if (errno != EPIPE) {
        esp_error_set(error, -errno, "stdout: %s.", strerror(errno));
    }
    return ESP_EXIT_FAILURE;
}
