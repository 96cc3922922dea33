/* Properties of the terminal behind a stream. */
#ifndef ESPALIER_SYSTEM_TERMINAL_H
#define ESPALIER_SYSTEM_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Whether the stream is a terminal. */
bool esp_terminal_is(FILE *stream);

/* Whether to use colors: a terminal, TERM is not "dumb", and NO_COLOR is unset or empty. */
bool esp_terminal_color(FILE *stream);

/* Columns of the terminal; 0 (no limit) when the stream is not a terminal. */
int esp_terminal_width(FILE *stream);

/* Lines of the terminal; 24 when they are unknown. */
int esp_terminal_height(FILE *stream);

/* Whether the locale's character set is UTF-8. */
bool esp_terminal_utf8(void);

#endif
