/* The attempts that a client holds, and their messages until they are acknowledged. Not locked:
 * the client does that. */
#ifndef CLIENT_ATTEMPTS_H
#define CLIENT_ATTEMPTS_H

#include <espalier/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message as it went, or will go, over the wire. */
struct esp_kept {
    struct esp_kept *next;
    uint64_t sequence;
    size_t length;
    uint8_t data[];
};

enum esp_attempt_state {
    ESP_ATTEMPT_HELD,
    ESP_ATTEMPT_FENCED,   /* the trainer is to leave it */
    ESP_ATTEMPT_LEFT,     /* fenced and left: Released with sequence 0 is to be sent */
    ESP_ATTEMPT_RELEASED, /* until all is acknowledged */
};

struct esp_attempt {
    uint32_t trial, attempt;
    enum esp_attempt_state state;
    uint64_t sequence; /* the last one used */
    uint64_t acked;
    struct esp_directive directive; /* the latest */
    struct esp_kept *first, *last;
    struct esp_kept *unsent; /* the first not sent on the present connection */
    /* what the trainer has not been told */
    uint8_t *assign; /* the Assign as it came; freed once told */
    size_t assign_length;
    bool directed;
    bool fenced;
};

struct esp_attempts {
    struct esp_attempt items[ESP_MEMBERS_MAX];
    uint32_t count;
    uint32_t kept; /* messages of all */
};

struct esp_attempt *
esp_attempts_find(struct esp_attempts *attempts, uint32_t trial, uint32_t attempt);

/* A new one, from an Assign. NULL: no place or memory. */
struct esp_attempt *esp_attempts_add(struct esp_attempts *attempts,
                                     const struct esp_assign *assign,
                                     const void *frame,
                                     size_t length);

/* Moves others: pointers to attempts become void. */
void esp_attempts_remove(struct esp_attempts *attempts, struct esp_attempt *attempt);
void esp_attempts_clear(struct esp_attempts *attempts);

/* Keeps a message with the next sequence number. -ENOMEM. */
int esp_attempts_keep(struct esp_attempts *attempts,
                      struct esp_attempt *attempt,
                      const void *data,
                      size_t length);

/* Drops what is acknowledged; a RELEASED attempt without messages is removed. */
void esp_attempts_acknowledge(struct esp_attempts *attempts,
                              struct esp_attempt *attempt,
                              uint64_t sequence);

/* Drops all messages of an attempt that is over. */
void esp_attempts_drop_kept(struct esp_attempts *attempts, struct esp_attempt *attempt);

/* After a Welcome everything kept goes again. */
void esp_attempts_rewind(struct esp_attempts *attempts);

/* Takes a directive that is newer than all before. */
void esp_attempt_direct(struct esp_attempt *attempt, const struct esp_directive *directive);

#endif
