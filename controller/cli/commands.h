/* One function per verb: returns the exit code, with words in the error when it is not 0. */
#ifndef ESPALIER_CLI_COMMANDS_H
#define ESPALIER_CLI_COMMANDS_H

#include "arguments.h"

int esp_cmd_run(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_resume(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_check(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_doctor(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_status(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_ls(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_best(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_show(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_why(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_watch(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_trials(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_set(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_note(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_export(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_sample(const struct esp_arguments *arguments, struct esp_error *error);
int esp_cmd_agent(const struct esp_arguments *arguments, struct esp_error *error);

#endif
