#include "launch.h"

#include <errno.h>
#include <espalier/limits.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127

/* Closes all descriptors except the standard ones and two more. This is done before exec,
 * because a lock that the parent holds must be released at the moment that the parent dies. */
static void close_others(int one, int other)
{
    int low = one < other ? one : other, high = one < other ? other : one;
    unsigned from = STDERR_FILENO + 1;
    if (low > STDERR_FILENO) {
        if ((unsigned)low > from) {
            close_range(from, (unsigned)low - 1, 0);
        }
        from = (unsigned)low + 1;
    }
    if ((unsigned)high > from) {
        close_range(from, (unsigned)high - 1, 0);
    }
    close_range((unsigned)high + 1, ~0U, 0);
}

/* Runs between fork and exec: only async-signal-safe calls are allowed. */
_Noreturn static void run_child(const struct esp_launch *launch, int gate, int log_fd)
{
    setsid();
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        _exit(EXEC_FAILED);
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
    if (log_fd >= 0 && (dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)) {
        _exit(EXEC_FAILED);
    }
    if (launch->affinity) {
        sched_setaffinity(0, sizeof *launch->affinity, launch->affinity);
    }
    close_others(gate, launch->keep_fd);
    if (launch->keep_fd >= 0) {
        fcntl(launch->keep_fd, F_SETFD, 0);
    }
    char go;
    ssize_t got;
    do {
        got = read(gate, &go, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        _exit(EXEC_FAILED);
    }
    execve(launch->program,
           launch->arguments,
           launch->environment ? launch->environment : environ);
    const char *reason = strerrordesc_np(errno);
    static const char start[] = "cannot execute ";
    ssize_t unused = write(STDERR_FILENO, start, sizeof start - 1);
    unused = write(STDERR_FILENO, launch->program, strlen(launch->program));
    unused = write(STDERR_FILENO, ": ", 2);
    unused = write(STDERR_FILENO, reason, strlen(reason));
    unused = write(STDERR_FILENO, "\n", 1);
    (void)unused;
    _exit(EXEC_FAILED);
}

int esp_launch_prepare(const struct esp_launch *launch,
                       struct esp_launched *out,
                       struct esp_error *error)
{
    int gate[2] = {-1, -1}, log_fd = -1, rc = 0;
    if (launch->log) {
        log_fd = esp_regular_file_open(launch->log, O_WRONLY | O_CREAT | O_APPEND, NULL);
        if (log_fd < 0) {
            rc = esp_error_set(
                error, log_fd, "%s: %s.", launch->log, esp_regular_file_reason(log_fd));
            goto out;
        }
    }
    if (pipe2(gate, O_CLOEXEC) < 0) {
        rc = esp_error_set(error, -errno, "cannot start a process: %s.", strerror(errno));
        goto out;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]); /* otherwise the child would never read the end of its gate */
        run_child(launch, gate[0], log_fd);
    }
    if (pid < 0) {
        rc = esp_error_set(error, -errno, "cannot start a process: %s.", strerror(errno));
        goto out;
    }
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        rc = esp_error_set(error, -errno, "pidfd_open: %s.", strerror(errno));
        close(gate[1]);
        gate[1] = -1;
        waitpid(pid, NULL, 0);
        goto out;
    }
    *out = (struct esp_launched){.pid = pid, .pidfd = pidfd, .gate = gate[1]};
    gate[1] = -1;
out:
    if (gate[0] >= 0) {
        close(gate[0]);
    }
    if (gate[1] >= 0) {
        close(gate[1]);
    }
    if (log_fd >= 0) {
        close(log_fd);
    }
    return rc;
}

void esp_launch_release(struct esp_launched *launched)
{
    ssize_t unused = write(launched->gate, "g", 1); /* the reader exists: it is our child */
    (void)unused;
    close(launched->gate);
    launched->gate = -1;
}

void esp_launch_abandon(struct esp_launched *launched)
{
    close(launched->gate);
    close(launched->pidfd);
    waitpid(launched->pid, NULL, 0);
    *launched = (struct esp_launched){.pid = -1, .pidfd = -1, .gate = -1};
}

int esp_launch_find(const char *name, char *out, size_t size)
{
    char self[ESP_PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0) {
        return -errno;
    }
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (!slash) {
        return -ENOENT;
    }
    *slash = '\0';
    return snprintf(out, size, "%s/%s", self, name) < (int)size ? 0 : -ENAMETOOLONG;
}
