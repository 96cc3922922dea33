/* The attempts that a client holds, with their messages until these are acknowledged. The
 * client does the locking. */
#ifndef CLIENT_ATTEMPTS_H
#define CLIENT_ATTEMPTS_H

#include <espalier/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An encoded message that is not acknowledged yet. */
struct esp_unacked {
    struct esp_unacked *next;
    uint64_t sequence;
    size_t length;
    uint8_t data[];
};

enum esp_attempt_state {
    ESP_ATTEMPT_HELD,
    ESP_ATTEMPT_FENCED,   /* the trainer must stop training it */
    ESP_ATTEMPT_ANSWER,   /* fenced and stopped: a Released with sequence number 0 is due */
    ESP_ATTEMPT_RELEASED, /* released; waits until all messages are acknowledged */
};

struct esp_attempt {
    uint32_t trial, attempt;
    enum esp_attempt_state state;
    uint64_t sequence;                /* the last number used */
    uint64_t acked;                   /* the last number acknowledged */
    struct esp_directive directive;   /* the latest one */
    struct esp_unacked *first, *last; /* in the order of their numbers */
    struct esp_unacked *unsent;       /* the first one not sent on the current connection */
    /* events that esp_client_next has not returned yet */
    uint8_t *assign; /* the encoded Assign; NULL once returned */
    size_t assign_length;
    bool directed;
    bool fenced;
};

struct esp_attempts {
    struct esp_attempt items[ESP_MEMBERS_MAX];
    uint32_t count;
    uint32_t unacked; /* messages of all attempts */
};

struct esp_attempt *
esp_attempts_find(struct esp_attempts *attempts, uint32_t trial, uint32_t attempt);

/* Adds the attempt of an Assign, whose encoded bytes are copied. NULL: no room, or out of
 * memory. */
struct esp_attempt *esp_attempts_add(struct esp_attempts *attempts,
                                     const struct esp_assign *assign,
                                     const void *frame,
                                     size_t length);

/* Removes an attempt and its messages. Pointers to other attempts become invalid. */
void esp_attempts_remove(struct esp_attempts *attempts, struct esp_attempt *attempt);
void esp_attempts_clear(struct esp_attempts *attempts);

/* Appends an encoded message with the next sequence number. -ENOMEM. */
int esp_attempts_append(struct esp_attempts *attempts,
                        struct esp_attempt *attempt,
                        const void *data,
                        size_t length);

/* Drops the messages up to `sequence`. A RELEASED attempt without messages is removed. */
void esp_attempts_acknowledge(struct esp_attempts *attempts,
                              struct esp_attempt *attempt,
                              uint64_t sequence);

/* Drops all messages of an attempt. */
void esp_attempts_drop_messages(struct esp_attempts *attempts, struct esp_attempt *attempt);

/* Marks all messages as not sent, after a Welcome. */
void esp_attempts_rewind(struct esp_attempts *attempts);

/* Sets the directive, if it is newer than the latest one. */
void esp_attempt_direct(struct esp_attempt *attempt, const struct esp_directive *directive);

#endif
