/* docs/reference/study-file.md from the tables of keys. */
#ifndef ESPALIER_CLI_SETTINGS_MARKDOWN_H
#define ESPALIER_CLI_SETTINGS_MARKDOWN_H

#include "../study/settings.h"
#include "../view/buffer.h"

void esp_settings_markdown(const struct esp_settings *settings, struct esp_buffer *out);

#endif
