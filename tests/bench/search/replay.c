/* `espalier replay` without the rest, so that the benchmark needs nothing but the search. */
#include "replay/replay.h"

int main(int argc, char **argv)
{
    return esp_replay_main(argc, argv);
}
