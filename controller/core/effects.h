/* Effects: messages and deletions of checkpoints, built from the state. Messages to a trial
 * process or an agent that is not connected are left out. */
#ifndef ESPALIER_CORE_EFFECTS_H
#define ESPALIER_CORE_EFFECTS_H

#include "state.h"

void esp_send(struct esp_core *core, struct esp_peer peer, const struct esp_message *message);
/* A message without content. */
void esp_send_simple(struct esp_core *core, struct esp_peer peer, enum esp_message_kind kind);

/* To the process of the trial's attempt. */
void esp_send_assign(struct esp_core *core, struct esp_trial *trial);
void esp_send_ack(struct esp_core *core, struct esp_trial *trial);
void esp_send_direct(struct esp_core *core, struct esp_trial *trial);
/* The Ack of an attempt that ended with the acknowledged message. */
void esp_send_last_ack(struct esp_core *core,
                       struct esp_trial_process *p,
                       const struct esp_trial *trial,
                       const struct esp_attempt_key *at);
void esp_send_fenced(struct esp_core *core,
                     struct esp_trial_process *p,
                     uint32_t trial,
                     uint32_t attempt);

/* To the process's agent. */
void esp_send_spawn(struct esp_core *core, struct esp_trial_process *p);
void esp_send_kill(struct esp_core *core, struct esp_trial_process *p);

/* Deletes a checkpoint: the DROPPED event and the file. `which`: its index in the trial. */
void esp_drop_checkpoint(struct esp_core *core, struct esp_trial *trial, int which);

/* The shutdown is complete. */
void esp_send_finish(struct esp_core *core, int exit_code);

#endif
