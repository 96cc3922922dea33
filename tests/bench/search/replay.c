/* `espalier replay` as a separate program, for the search benchmark. */
#include "cli/verb.h"

int main(int argc, char **argv)
{
    return esp_cli_verb_run(esp_cli_verb_find("replay"), argc, argv);
}
