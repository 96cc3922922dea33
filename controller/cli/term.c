#include "term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool esp_term_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

bool esp_term_color(FILE *stream)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return esp_term_is(stream) && !(no && no[0]) && !(term && strcmp(term, "dumb") == 0);
}

int esp_term_width(FILE *stream)
{
    struct winsize size;
    if (ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return esp_term_is(stream) ? 80 : 0;
}

bool esp_term_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
