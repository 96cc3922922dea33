#include "agent.h"

#include "../system/cpu_affinity.h"
#include "agent_id.h"
#include "agent_lock.h"
#include "agent_protocol.h"

#include "../../proto/transport/dealer.h"
#include <errno.h>
#include <espalier/clock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Exits read from epoll in one call. */
#define EXITS_MAX 64

struct agent {
    struct esp_agent_protocol protocol;
    struct esp_dealer *dealer;
    int exits;        /* epoll descriptor of all pidfds */
    int64_t heard_ms; /* time of the last message from the controller */
    int64_t sent_ms;  /* time of the last message to it, or of the last attempt to send one */
};

static int send_message(void *context, const struct esp_message *message)
{
    struct agent *agent = context;
    struct esp_error error = {{0}};
    int rc = esp_dealer_send(agent->dealer, message, &error);
    if (rc == 0) {
        agent->sent_ms = esp_clock_ms();
    } else if (rc != -EAGAIN) {
        fprintf(stderr, "cannot send a message: %s\n", error.text);
    }
    return rc;
}

/* Adds the pidfds of new processes to epoll. */
static void watch_processes(struct agent *agent)
{
    struct esp_processes *processes = agent->protocol.processes;
    for (size_t i = 0; i < esp_processes_count(processes); i++) {
        struct esp_process *process = esp_processes_at(processes, i);
        if (process->pidfd >= 0 && !process->watched) {
            struct epoll_event event = {.events = EPOLLIN, .data.u64 = process->record.key};
            process->watched =
                epoll_ctl(agent->exits, EPOLL_CTL_ADD, process->pidfd, &event) == 0;
        }
    }
}

static void reap_exits(struct agent *agent)
{
    struct epoll_event events[EXITS_MAX];
    struct esp_processes *processes = agent->protocol.processes;
    int count;
    do {
        count = epoll_wait(agent->exits, events, EXITS_MAX, 0);
        for (int e = 0; e < count; e++) {
            for (size_t i = 0; i < esp_processes_count(processes); i++) {
                if (esp_processes_at(processes, i)->record.key == events[e].data.u64) {
                    esp_processes_reap(processes, i);
                    break;
                }
            }
        }
    } while (count == EXITS_MAX);
    esp_agent_protocol_report(&agent->protocol);
}

static void receive_messages(struct agent *agent)
{
    struct esp_message message;
    struct esp_error error;
    for (;;) {
        error.text[0] = '\0';
        int rc = esp_dealer_receive(agent->dealer, &message, &error);
        if (rc == -EAGAIN) {
            return;
        }
        if (rc < 0) {
            fprintf(stderr, "cannot read a message: %s\n", error.text);
            if (rc != -EBADMSG && rc != -EMSGSIZE) {
                return;
            }
            continue;
        }
        agent->heard_ms = esp_clock_ms();
        esp_agent_protocol_handle(&agent->protocol, &message, agent->heard_ms);
    }
}

/* Time at which the loop must run even if nothing happens. */
static int64_t next_deadline(const struct agent *agent)
{
    int64_t next = esp_processes_deadline(agent->protocol.processes);
    int64_t heartbeat = agent->sent_ms + agent->protocol.heartbeat_ms;
    next = heartbeat < next ? heartbeat : next;
    if (esp_processes_alive(agent->protocol.processes) == 0) {
        int64_t lapse = agent->heard_ms + agent->protocol.lease_ms;
        next = lapse < next ? lapse : next;
    }
    return next;
}

/* Sends a heartbeat, or the Hello again to a controller that has not answered it yet. */
static void send_heartbeat(struct agent *agent)
{
    if (!agent->protocol.welcome) {
        esp_agent_protocol_hello(&agent->protocol);
        return;
    }
    struct esp_message message = {.kind = ESP_MESSAGE_HEARTBEAT};
    send_message(agent, &message);
    esp_agent_protocol_report(&agent->protocol);
}

static int serve(struct agent *agent, struct esp_error *error)
{
    struct esp_agent_protocol *protocol = &agent->protocol;
    agent->heard_ms = agent->sent_ms = esp_clock_ms();
    esp_agent_protocol_hello(protocol);
    for (;;) {
        watch_processes(agent);
        size_t alive = esp_processes_alive(protocol->processes);
        int64_t now = esp_clock_ms();
        if (protocol->refused[0]) {
            esp_error_set(error, 0, "the controller refused this agent: %s", protocol->refused);
            return 1;
        }
        if (protocol->retiring && alive == 0) {
            return 0;
        }
        if (alive == 0 && now - agent->heard_ms >= protocol->lease_ms) {
            fprintf(
                stderr,
                "no message from a controller for a lease, and no process is left: exiting\n");
            return 0;
        }
        esp_processes_expire(protocol->processes, now);
        if (now - agent->sent_ms >= protocol->heartbeat_ms) {
            send_heartbeat(agent);
            agent->sent_ms = now; /* also if sending failed: try again at the next heartbeat */
        }
        int64_t next = next_deadline(agent);
        int64_t wait = next == INT64_MAX ? -1 : next > now ? next - now : 0;
        struct pollfd fds[] = {{.fd = agent->exits, .events = POLLIN}};
        int rc = esp_dealer_wait(agent->dealer, false, fds, 1, wait);
        if (rc < 0 && rc != -EINTR) {
            esp_error_set(error, rc, "waiting failed: %s.", strerror(-rc));
            return 1;
        }
        receive_messages(agent);
        reap_exits(agent);
    }
}

/* One slot per core, or as many as ESPALIER_SLOTS sets (for benchmarks and shared hosts). */
static uint32_t count_slots(void)
{
    const char *text = getenv("ESPALIER_SLOTS");
    long slots = text ? strtol(text, NULL, 10) : 0;
    return (uint32_t)(slots > 0 && slots <= ESP_PROCESSES_MAX ? slots
                                                              : esp_cpu_affinity_count());
}

int esp_agent_run(const struct esp_agent_options *options, struct esp_error *error)
{
    struct agent agent = {.exits = -1};
    char host[ESP_NAME_MAX] = "";
    int lock = -1, code = 1;
    /* Start a new session; this fails without harm if the process already leads one. */
    setsid();
    signal(SIGPIPE, SIG_IGN);
    int rc = esp_agent_lock(options->dir, &lock, error);
    if (rc < 0) {
        return rc == -EBUSY ? ESP_AGENT_EXIT_BUSY : 1;
    }
    gethostname(host, sizeof host - 1);
    struct esp_processes_options table = {
        .dir = options->dir,
        .endpoint = options->endpoint,
        .program = options->program,
        .study = options->study,
        .grace_ms = ESP_GRACE_MS,
    };
    agent.protocol = (struct esp_agent_protocol){
        .study = options->study,
        .host = host,
        .device = strcmp(options->device, "auto") == 0 ? "cpu" : options->device,
        .slots = count_slots(),
        .context = &agent,
        .send = send_message,
        .heartbeat_ms = ESP_HEARTBEAT_MS,
        .lease_ms = ESP_LEASE_MS,
    };
    /* The table makes the folder DIR/agent, which also holds the id. */
    rc = esp_processes_open(&table, &agent.protocol.processes, error);
    rc = rc < 0 ? rc : esp_agent_id(options->dir, &agent.protocol.id, error);
    rc = rc < 0 ? rc
                : esp_dealer_connect(&(struct esp_endpoint){.address = options->endpoint},
                                     &agent.dealer,
                                     error);
    if (rc < 0) {
        goto out;
    }
    agent.exits = epoll_create1(EPOLL_CLOEXEC);
    if (agent.exits < 0) {
        esp_error_set(error, -errno, "epoll: %s.", strerror(errno));
        goto out;
    }
    code = serve(&agent, error);
out:
    esp_dealer_close(agent.dealer, 0);
    esp_processes_close(agent.protocol.processes);
    if (agent.exits >= 0) {
        close(agent.exits);
    }
    close(lock);
    return code;
}
