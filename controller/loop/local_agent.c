#include "local_agent.h"

#include "../agent/agent.h"
#include "../agent/process_record.h"
#include "../system/environment.h"
#include "../system/files.h"
#include "../system/launch.h"

#include <errno.h>
#include <espalier/message.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAIL_LINES 3
/* Time for a process to exit after SIGKILL; it is immediate unless the kernel blocks the
 * process. */
#define KILLED_MS 10000

int esp_local_agent_start(struct esp_local_agent *agent, struct esp_error *error)
{
    char log[ESP_PATH_MAX], study[48];
    char *changed[] = {study, NULL};
    if (snprintf(log, sizeof log, "%s/logs", agent->dir) >= (int)sizeof log) {
        return esp_error_set(error, -ENAMETOOLONG, "%s: the path is too long.", agent->dir);
    }
    int rc = esp_files_make_dir(log, error);
    if (rc < 0) {
        return rc;
    }
    strncat(log, "/agent.log", sizeof log - strlen(log) - 1);
    snprintf(study, sizeof study, ESP_ENV_STUDY "=%" PRIu64, agent->study);
    char **environment = esp_environment_with(changed);
    if (!environment) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    const char *arguments[] = {"espalier",
                               "agent",
                               "--connect",
                               agent->endpoint,
                               "--dir",
                               agent->dir,
                               "--device",
                               agent->device,
                               NULL};
    struct esp_launch launch = {
        .program = "/proc/self/exe",
        .arguments = (char *const *)arguments,
        .environment = environment,
        .log = log,
        .keep_fd = -1,
    };
    struct esp_launched launched;
    rc = esp_launch_prepare(&launch, &launched, error);
    if (rc < 0) {
        free(environment);
        return rc;
    }
    esp_launch_release(&launched);
    free(environment);
    agent->pid = launched.pid;
    agent->pidfd = launched.pidfd;
    agent->child = true;
    agent->done = false;
    agent->starts++;
    return 0;
}

/* Watches the agent that holds the lock. -ENOENT: it has just exited. */
static int watch_holder(struct esp_local_agent *agent)
{
    struct esp_process_identity holder;
    int rc = esp_agent_holder(agent->dir, &holder);
    if (rc < 0) {
        return rc;
    }
    int fd = esp_process_identity_open(&holder);
    if (fd < 0) {
        return -ENOENT;
    }
    agent->pid = holder.pid;
    agent->pidfd = fd;
    agent->child = false;
    return 0;
}

static void close_agent(struct esp_local_agent *agent)
{
    if (agent->pidfd >= 0) {
        close(agent->pidfd);
    }
    agent->pidfd = -1;
    agent->pid = 0;
    agent->child = agent->reaped = agent->busy = false;
}

void esp_local_agent_reap(struct esp_local_agent *agent)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (agent->child && pid == agent->pid) {
            agent->reaped = true;
            agent->busy = WIFEXITED(status) && WEXITSTATUS(status) == ESP_AGENT_EXIT_BUSY;
        }
    }
}

int esp_local_agent_exited(struct esp_local_agent *agent, bool leaving, struct esp_error *error)
{
    if (agent->child && !agent->reaped) {
        esp_local_agent_reap(agent);
    }
    bool busy = agent->busy;
    close_agent(agent);
    if (busy && watch_holder(agent) == 0) {
        return 0;
    }
    if (leaving) {
        agent->done = true;
        return 0;
    }
    if (agent->starts >= ESP_LOCAL_AGENT_STARTS_MAX) {
        char path[ESP_PATH_MAX], tail[512];
        snprintf(path, sizeof path, "%s/logs/agent.log", agent->dir);
        esp_files_tail(path, TAIL_LINES, tail, sizeof tail);
        agent->done = true;
        return esp_error_set(error,
                             -ECHILD,
                             "the agent exited %d times without connecting. The end of its log "
                             "(%s):\n%s",
                             agent->starts,
                             path,
                             tail);
    }
    return esp_local_agent_start(agent, error);
}

void esp_local_agent_connected(struct esp_local_agent *agent)
{
    agent->starts = 0;
}

void esp_local_agent_kill(struct esp_local_agent *agent)
{
    if (agent->pidfd >= 0) {
        pidfd_send_signal(agent->pidfd, SIGKILL, NULL, 0);
    }
}

/* A pidfd is readable once its process has exited. */
static void await_exit(int pidfd)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    while (poll(&fd, 1, KILLED_MS) < 0 && errno == EINTR) {
    }
}

static int kill_process(void *context, const struct esp_process_record *record)
{
    (void)context;
    int fd = record->ended ? -1 : esp_process_identity_open(&record->identity);
    if (fd >= 0) {
        pidfd_send_signal(fd, SIGKILL, NULL, 0);
        kill(-record->identity.pid, SIGKILL);
        await_exit(fd);
        close(fd);
    }
    return 0;
}

void esp_local_agent_kill_all(struct esp_local_agent *agent)
{
    /* The agent first, so that it does not report the exits that follow. */
    esp_local_agent_kill(agent);
    if (agent->pidfd >= 0) {
        await_exit(agent->pidfd);
    }
    esp_process_record_list(agent->dir, kill_process, NULL, NULL);
    esp_local_agent_reap(agent);
}

void esp_local_agent_kill_leftover(struct esp_local_agent *agent)
{
    if (watch_holder(agent) == 0) {
        esp_local_agent_kill_all(agent);
        close_agent(agent);
    }
}

void esp_local_agent_release(struct esp_local_agent *agent)
{
    close_agent(agent);
}
