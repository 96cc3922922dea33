/* Starts a program in a new session. The child waits before it runs the program, so that its
 * parent can first record that it exists. */
#ifndef CONTROLLER_SYSTEM_LAUNCH_H
#define CONTROLLER_SYSTEM_LAUNCH_H

#include <espalier/error.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct esp_launch {
    const char *program; /* path */
    char *const *arguments;
    char *const *environment;  /* NULL: inherited */
    const char *log;           /* stdout and stderr are appended to it; NULL: inherited */
    const cpu_set_t *affinity; /* NULL: any core */
    int keep_fd;               /* stays open in the program; -1: none */
};

struct esp_launched {
    pid_t pid;
    int pidfd;
    int gate; /* closed by esp_launch_release or esp_launch_abandon */
};

/* Forks a child that leads a new session, with stdin from /dev/null and every signal at its
 * default, and that waits for esp_launch_release. If this process dies first, the child exits
 * without running the program. */
int esp_launch_prepare(const struct esp_launch *launch,
                       struct esp_launched *out,
                       struct esp_error *error);

/* Lets the child run its program. If that fails, the child writes the reason to the log and
 * exits with status 127. */
void esp_launch_release(struct esp_launched *launched);

/* Ends the child without running the program, and reaps it. */
void esp_launch_abandon(struct esp_launched *launched);

/* Writes the path of a program in the folder of the running one, for example "espalier-trial".
 * -errno. */
int esp_launch_find(const char *name, char *out, size_t size);

#endif
