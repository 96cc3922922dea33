/* The subcommands of espalier-trial. Each lives in a file of its own, cmd_NAME.c, reads its own
 * arguments (argv[0] is its name) and returns the exit status. */
#ifndef ESPALIER_TRIAL_COMMANDS_H
#define ESPALIER_TRIAL_COMMANDS_H

/* Exit statuses (DESIGN 9). */
#define ESP_EXIT_OK 0
#define ESP_EXIT_FAILURE 1
#define ESP_EXIT_USAGE 2    /* usage, study file or data */
#define ESP_EXIT_NO_TRIAL 3 /* nothing usable came out: all diverged */
#define ESP_EXIT_PAUSED 5   /* saved and resumable */
#define ESP_EXIT_KILLED 130 /* ended by the second signal */

int esp_command_train(int argc, char **argv);
int esp_command_bench(int argc, char **argv);
int esp_command_sample(int argc, char **argv);
int esp_command_serve(int argc, char **argv);
int esp_command_export(int argc, char **argv);

/* The exit status for a negative errno of reading configurations, data or checkpoints: what a
 * person can put right in a file is USAGE, the rest is FAILURE. */
int esp_command_status(int code);

#endif
