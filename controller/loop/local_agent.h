/* The local agent as the controller keeps it: started, found when one is at work already,
 * started again when it died, waited for at the end. */
#ifndef ESPALIER_LOOP_LOCAL_AGENT_H
#define ESPALIER_LOOP_LOCAL_AGENT_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Agents in a row that died before they said Hello, before the controller gives up. */
#define ESP_LOCAL_AGENT_STARTS_MAX 8

struct esp_local_agent {
    const char *dir, *endpoint, *device; /* borrowed */
    uint64_t study;
    pid_t pid;
    int pidfd;         /* readable when it has ended; -1: none */
    bool child;        /* ours to reap */
    bool reaped, busy; /* it has been; it said that another one is at work */
    bool ended;        /* for good: nothing is left to wait for */
    int starts;        /* in a row without a Hello */
};

/* Starts an agent. */
int esp_local_agent_start(struct esp_local_agent *agent, struct esp_error *error);

/* Reaps every child that has ended: besides the agent, the trial processes of an agent that was
 * killed, which come to this process because it is made their reaper. Called on SIGCHLD. */
void esp_local_agent_reap(struct esp_local_agent *agent);

/* After the pidfd became readable: takes the agent's end. Unless `leaving`, another is started,
 * or the one that was there before is watched. -ECHILD: too many have died in a row. */
int esp_local_agent_ended(struct esp_local_agent *agent, bool leaving, struct esp_error *error);

/* The agent has said Hello. */
void esp_local_agent_greeted(struct esp_local_agent *agent);

/* Ends an agent that does not leave by itself. Its processes, if any, are not touched. */
void esp_local_agent_kill(struct esp_local_agent *agent);

/* Ends the agent and, by its records, every trial process on this host, and waits for their
 * ends: for a controller that can record nothing any more. */
void esp_local_agent_end_all(struct esp_local_agent *agent);

/* The same for what an earlier controller left on this host, if anything lives: it died when
 * its study had ended, before it had sent its agent home. */
void esp_local_agent_end_leftover(struct esp_local_agent *agent);

void esp_local_agent_release(struct esp_local_agent *agent);

#endif
