/* The controller's local agent: it is started, unless one is running already, started again
 * when it exits, and waited for at the end. */
#ifndef ESPALIER_LOOP_LOCAL_AGENT_H
#define ESPALIER_LOOP_LOCAL_AGENT_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Consecutive agents that exit before their Hello; then the controller stops. */
#define ESP_LOCAL_AGENT_STARTS_MAX 8

struct esp_local_agent {
    const char *dir, *endpoint, *device; /* borrowed */
    uint64_t study;
    pid_t pid;
    int pidfd;   /* readable after its exit; -1: none */
    bool child;  /* it is our child, which we must reap */
    bool reaped; /* the child was reaped */
    bool busy;   /* its exit status says that another agent is running */
    bool done;   /* no agent is left to wait for */
    int starts;  /* consecutive starts without a Hello */
};

/* Starts an agent. */
int esp_local_agent_start(struct esp_local_agent *agent, struct esp_error *error);

/* Reaps every child that has exited: the agent, and trial processes of an agent that was
 * killed, whose parent this process becomes as their subreaper. Called on SIGCHLD. */
void esp_local_agent_reap(struct esp_local_agent *agent);

/* Called when the pidfd is readable. Unless `leaving`, starts another agent, or watches the one
 * that was already running. -ECHILD: too many have exited without a Hello. */
int esp_local_agent_exited(struct esp_local_agent *agent,
                           bool leaving,
                           struct esp_error *error);

/* Called after a Hello of the agent. */
void esp_local_agent_connected(struct esp_local_agent *agent);

/* Kills an agent that does not exit. Its processes, if any, continue. */
void esp_local_agent_kill(struct esp_local_agent *agent);

/* Kills the agent and every trial process in its records, and waits for their exits: for a
 * controller that cannot record anything any more. */
void esp_local_agent_kill_all(struct esp_local_agent *agent);

/* The same for an agent of an earlier controller, if one is running: that controller was killed
 * after the study had ended, before it could retire its agent. */
void esp_local_agent_kill_leftover(struct esp_local_agent *agent);

void esp_local_agent_release(struct esp_local_agent *agent);

#endif
