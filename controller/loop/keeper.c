#include "keeper.h"

#include "../agent/agent.h"
#include "../agent/files.h"
#include "../agent/launch.h"
#include "../agent/record.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TAIL_LINES 3
/* What was sent SIGKILL is gone at once, unless the kernel holds it. */
#define KILLED_MS 10000

int esp_keeper_start(struct esp_keeper *keeper, struct esp_error *error)
{
    char log[ESP_PATH_MAX], study[24];
    if (snprintf(log, sizeof log, "%s/logs", keeper->dir) >= (int)sizeof log) {
        return esp_error_set(error, -ENAMETOOLONG, "%s: is too long.", keeper->dir);
    }
    int rc = esp_files_make_dir(log, error);
    if (rc < 0) {
        return rc;
    }
    strncat(log, "/agent.log", sizeof log - strlen(log) - 1);
    snprintf(study, sizeof study, "%" PRIu64, keeper->study);
    const char *arguments[] = {"espalier",
                               "agent",
                               "--connect",
                               keeper->endpoint,
                               "--dir",
                               keeper->dir,
                               "--study",
                               study,
                               "--device",
                               keeper->device,
                               NULL};
    struct esp_launch launch = {
        .program = "/proc/self/exe",
        .arguments = (char *const *)arguments,
        .log = log,
        .keep_fd = -1,
    };
    struct esp_launched launched;
    rc = esp_launch_prepare(&launch, &launched, error);
    if (rc < 0) {
        return rc;
    }
    esp_launch_release(&launched);
    keeper->pid = launched.pid;
    keeper->pidfd = launched.pidfd;
    keeper->child = true;
    keeper->ended = false;
    keeper->starts++;
    return 0;
}

/* Watches the agent that holds the lock. -ENOENT: it has just left. */
static int watch_holder(struct esp_keeper *keeper)
{
    struct esp_identity holder;
    int rc = esp_agent_holder(keeper->dir, &holder);
    if (rc < 0) {
        return rc;
    }
    int fd = esp_identity_open(&holder);
    if (fd < 0) {
        return -ENOENT;
    }
    keeper->pid = holder.pid;
    keeper->pidfd = fd;
    keeper->child = false;
    return 0;
}

static void forget(struct esp_keeper *keeper)
{
    if (keeper->pidfd >= 0) {
        close(keeper->pidfd);
    }
    keeper->pidfd = -1;
    keeper->pid = 0;
    keeper->child = keeper->reaped = keeper->busy = false;
}

void esp_keeper_reap(struct esp_keeper *keeper)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (keeper->child && pid == keeper->pid) {
            keeper->reaped = true;
            keeper->busy = WIFEXITED(status) && WEXITSTATUS(status) == ESP_AGENT_EXIT_BUSY;
        }
    }
}

int esp_keeper_ended(struct esp_keeper *keeper, bool leaving, struct esp_error *error)
{
    if (keeper->child && !keeper->reaped) {
        esp_keeper_reap(keeper);
    }
    bool busy = keeper->busy;
    forget(keeper);
    if (busy && watch_holder(keeper) == 0) {
        return 0;
    }
    if (leaving) {
        keeper->ended = true;
        return 0;
    }
    if (keeper->starts >= ESP_KEEPER_STARTS_MAX) {
        char path[ESP_PATH_MAX], tail[512];
        snprintf(path, sizeof path, "%s/logs/agent.log", keeper->dir);
        esp_files_tail(path, TAIL_LINES, tail, sizeof tail);
        keeper->ended = true;
        return esp_error_set(error,
                             -ECHILD,
                             "the agent ended %d times before it said hello. Its last words "
                             "(%s):\n%s",
                             keeper->starts,
                             path,
                             tail);
    }
    return esp_keeper_start(keeper, error);
}

void esp_keeper_greeted(struct esp_keeper *keeper)
{
    keeper->starts = 0;
}

void esp_keeper_kill(struct esp_keeper *keeper)
{
    if (keeper->pidfd >= 0) {
        pidfd_send_signal(keeper->pidfd, SIGKILL, NULL, 0);
    }
}

/* A pidfd is readable once its process has ended. */
static void await_end(int pidfd)
{
    struct pollfd fd = {.fd = pidfd, .events = POLLIN};
    while (poll(&fd, 1, KILLED_MS) < 0 && errno == EINTR) {
    }
}

static int end_process(void *context, const struct esp_record *record)
{
    (void)context;
    int fd = record->ended ? -1 : esp_identity_open(&record->identity);
    if (fd >= 0) {
        pidfd_send_signal(fd, SIGKILL, NULL, 0);
        kill(-record->identity.pid, SIGKILL);
        await_end(fd);
        close(fd);
    }
    return 0;
}

void esp_keeper_end_all(struct esp_keeper *keeper)
{
    /* The agent first: it would start nothing, but it should not tell of what we do now. */
    esp_keeper_kill(keeper);
    if (keeper->pidfd >= 0) {
        await_end(keeper->pidfd);
    }
    esp_record_list(keeper->dir, end_process, NULL, NULL);
    esp_keeper_reap(keeper);
}

void esp_keeper_end_leftover(struct esp_keeper *keeper)
{
    if (watch_holder(keeper) == 0) {
        esp_keeper_end_all(keeper);
        forget(keeper);
    }
}

void esp_keeper_release(struct esp_keeper *keeper)
{
    forget(keeper);
}
