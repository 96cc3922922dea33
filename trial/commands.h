/* The subcommands of espalier-trial. Each is implemented in cmd_NAME.c, reads its own arguments
 * (argv[0] is its name) and returns the exit status. */
#ifndef ESPALIER_TRIAL_COMMANDS_H
#define ESPALIER_TRIAL_COMMANDS_H

/* Exit statuses. */
#define ESP_EXIT_OK 0
#define ESP_EXIT_FAILURE 1
#define ESP_EXIT_USAGE 2    /* usage, study file or data */
#define ESP_EXIT_NO_TRIAL 3 /* no usable result: all trials diverged */
#define ESP_EXIT_PAUSED 5   /* saved and resumable */
#define ESP_EXIT_KILLED 130 /* ended by the second signal */

int esp_command_train(int argc, char **argv);
int esp_command_bench(int argc, char **argv);
int esp_command_sample(int argc, char **argv);
int esp_command_serve(int argc, char **argv);
int esp_command_export(int argc, char **argv);

/* Exit status for a negative errno from reading configurations, data or checkpoints: USAGE for
 * what the user can correct in a file, else FAILURE. */
int esp_command_status(int code);

#endif
