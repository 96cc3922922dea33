/* Starting a program in a session of its own, held back until its parent has written down that
 * it exists. */
#ifndef CONTROLLER_SYSTEM_LAUNCH_H
#define CONTROLLER_SYSTEM_LAUNCH_H

#include <espalier/error.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct esp_launch {
    const char *program; /* path */
    char *const *arguments;
    char *const *environment;  /* NULL: as it is */
    const char *log;           /* stdout and stderr are appended to it; NULL: inherited */
    const cpu_set_t *affinity; /* NULL: anywhere */
    int keep_fd;               /* stays open in the program, -1: none */
};

struct esp_launched {
    pid_t pid;
    int pidfd;
    int gate; /* esp_launch_release or esp_launch_abandon closes it */
};

/* Forks a child that leads its own session, with stdin at /dev/null and every signal at its
 * default, and that waits at the gate. If this process dies first, the child ends without ever
 * running the program. */
int esp_launch_prepare(const struct esp_launch *launch,
                       struct esp_launched *out,
                       struct esp_error *error);

/* Lets the child run its program. What cannot be executed says so in the log and exits 127. */
void esp_launch_release(struct esp_launched *launched);

/* Ends the child instead, and reaps it. */
void esp_launch_abandon(struct esp_launched *launched);

/* The path of a program beside the running one: "espalier-trial". -errno. */
int esp_launch_beside(const char *name, char *out, size_t size);

#endif
