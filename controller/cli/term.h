/* What the stream at hand can show. */
#ifndef ESPALIER_CLI_TERM_H
#define ESPALIER_CLI_TERM_H

#include <stdbool.h>
#include <stdio.h>

bool esp_term_is(FILE *stream);
bool esp_term_color(FILE *stream); /* a terminal, not TERM=dumb, NO_COLOR unset or empty */
int esp_term_width(FILE *stream);  /* columns; 0: no terminal, so no limit */
bool esp_term_utf8(void);          /* the locale's character set */

#endif
