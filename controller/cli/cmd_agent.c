/* espalier agent: started by run, one per host and study. */
#include "../agent/agent.h"
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int esp_cmd_agent(const struct esp_arguments *arguments, struct esp_error *error)
{
    if (!arguments->connect || !arguments->dir || arguments->study == 0) {
        esp_error_set(error, 0, "agent: --connect, --dir and --study are needed.");
        return ESP_EXIT_USAGE;
    }
    char *dir = realpath(arguments->dir, NULL);
    if (!dir) {
        esp_error_set(error, -errno, "%s: %s.", arguments->dir, strerror(errno));
        return ESP_EXIT_USAGE;
    }
    struct esp_agent_options options = {
        .dir = dir,
        .endpoint = arguments->connect,
        .device = arguments->device,
        .study = (uint64_t)arguments->study,
    };
    int code = esp_agent_run(&options, error);
    free(dir);
    return code;
}
