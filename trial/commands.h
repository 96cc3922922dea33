/* The subcommands of espalier-trial. Each is implemented in cmd_NAME.c, reads its own arguments
 * (argv[0] is its name) and returns one of the exit codes. */
#ifndef ESPALIER_TRIAL_COMMANDS_H
#define ESPALIER_TRIAL_COMMANDS_H

#include <espalier/exit.h>

int esp_command_train(int argc, char **argv);
int esp_command_bench(int argc, char **argv);
int esp_command_sample(int argc, char **argv);
int esp_command_serve(int argc, char **argv);
int esp_command_export(int argc, char **argv);

/* Exit status for a negative errno from reading configurations, data or checkpoints: USAGE for
 * what the user can correct in a file, else FAILURE. */
int esp_command_status(int code);

#endif
