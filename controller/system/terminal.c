#include "terminal.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The size assumed for a terminal that does not report its size. */
#define WIDTH_DEFAULT 80
#define HEIGHT_DEFAULT 24

bool esp_terminal_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

bool esp_terminal_color(FILE *stream)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return esp_terminal_is(stream) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

int esp_terminal_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return esp_terminal_is(stream) ? WIDTH_DEFAULT : 0;
}

int esp_terminal_height(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row
                                                                            : HEIGHT_DEFAULT;
}

bool esp_terminal_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
