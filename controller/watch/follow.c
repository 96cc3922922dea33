#include "follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

struct esp_follow {
    int changes; /* inotify */
    int signals;
    bool keys;
    bool raw;
    struct termios before;
    sigset_t mask_before;
};

int esp_follow_open(const char *dir, int keys, struct esp_follow **out, struct esp_error *error)
{
    sigset_t mask;
    int rc = 0;
    struct esp_follow *follow = calloc(1, sizeof *follow);
    if (!follow) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    follow->keys = keys;
    follow->signals = follow->changes = -1;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGWINCH);
    sigprocmask(SIG_BLOCK, &mask, &follow->mask_before);
    follow->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    follow->changes = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (follow->signals < 0 || follow->changes < 0 ||
        inotify_add_watch(
            follow->changes, dir, IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO) < 0) {
        rc = esp_error_set(error, -errno, "%s: cannot be watched: %s.", dir, strerror(errno));
        esp_follow_close(follow);
        return rc;
    }
    if (follow->keys && tcgetattr(STDIN_FILENO, &follow->before) == 0) {
        struct termios raw = follow->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 1;
        raw.c_cc[VTIME] = 0;
        follow->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    *out = follow;
    return 0;
}

void esp_follow_close(struct esp_follow *follow)
{
    if (!follow) {
        return;
    }
    if (follow->raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &follow->before);
    }
    if (follow->changes >= 0) {
        close(follow->changes);
    }
    if (follow->signals >= 0) {
        close(follow->signals);
    }
    sigprocmask(SIG_SETMASK, &follow->mask_before, NULL);
    free(follow);
}

static int take_signals(struct esp_follow *follow)
{
    struct signalfd_siginfo info;
    int events = 0;
    while (read(follow->signals, &info, sizeof info) == sizeof info) {
        events |= info.ssi_signo == SIGWINCH ? ESP_FOLLOW_RESIZED : ESP_FOLLOW_SIGNAL;
    }
    return events;
}

static void drain_changes(struct esp_follow *follow)
{
    char buffer[4096] __attribute__((aligned(8)));
    while (read(follow->changes, buffer, sizeof buffer) > 0) {
    }
}

int esp_follow_wait(struct esp_follow *follow, int64_t timeout_ms, char *key)
{
    struct pollfd fds[] = {
        {.fd = follow->signals, .events = POLLIN},
        {.fd = follow->changes, .events = POLLIN},
        {.fd = follow->keys ? STDIN_FILENO : -1, .events = POLLIN},
    };
    int events = 0;
    int timeout = timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms;
    int ready = poll(fds, sizeof fds / sizeof fds[0], timeout);
    if (ready < 0) {
        return errno == EINTR ? ESP_FOLLOW_TIME : -errno;
    }
    if (ready == 0) {
        return ESP_FOLLOW_TIME;
    }
    if (fds[0].revents) {
        events |= take_signals(follow);
    }
    if (fds[1].revents) {
        drain_changes(follow);
        events |= ESP_FOLLOW_CHANGED;
    }
    if (fds[2].revents) {
        if (read(STDIN_FILENO, key, 1) != 1) {
            *key = 'q';
        }
        events |= ESP_FOLLOW_KEY;
    }
    return events;
}
