/* espalier agent: the agent of a study on this host, which `run` starts. */
#include "../agent/agent.h"
#include "verb.h"

#include <errno.h>
#include <espalier/message.h>
#include <stdlib.h>
#include <string.h>

static int run_agent(const struct esp_arguments *arguments, struct esp_error *error)
{
    const char *nonce = getenv(ESP_ENV_STUDY);
    uint64_t study = nonce ? strtoull(nonce, NULL, 10) : 0;
    if (!arguments->connect || !arguments->dir || study == 0) {
        esp_error_set(error,
                      0,
                      "agent: --connect, --dir and the environment variable %s are required; "
                      "`espalier run` starts the agent with them.",
                      ESP_ENV_STUDY);
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
        .study = study,
    };
    int code = esp_agent_run(&options, error);
    free(dir);
    return code;
}

const struct esp_cli_verb esp_cli_row_agent = {
    .name = "agent",
    .operands = "",
    .operand_min = 0,
    .operand_max = 0,
    .summary = "Run the agent of a study on this host",
    .details = "An agent starts, watches and ends the trial processes of one study "
               "on one host. `espalier run` starts it; there is no need to do so "
               "by hand.\n"
               "\n"
               "The environment variable " ESP_ENV_STUDY " holds the nonce of the study: "
               "an argument would be visible to every user of the host.\n"
               "\n"
               "Exit code 10 means that another agent of the study already runs on "
               "this host.",
    .options = {ESP_OPTION_CONNECT, ESP_OPTION_DIR, ESP_OPTION_DEVICE},
    .main = run_agent,
};
