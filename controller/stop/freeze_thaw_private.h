/* What the files of freeze-thaw share: freeze_thaw.c keeps the state, freeze_thaw_startup.c
 * decides during the start-up, freeze_thaw_choice.c after it. */
#ifndef ESPALIER_STOP_FREEZE_THAW_PRIVATE_H
#define ESPALIER_STOP_FREEZE_THAW_PRIVATE_H

#include "marks.h"
#include "roster.h"
#include "startup.h"

#include "search/curve_projection.h"
#include "search/surrogate.h"

struct esp_freeze_thaw {
    const struct esp_study *study;
    struct esp_startup bracket;
    bool startup; /* still in the start-up */
    struct esp_roster roster;
    struct esp_surrogate *surrogate;
    const struct esp_cost *cost;
    int64_t first;     /* tokens to which a new trial is trained at first */
    double horizon;    /* of the study; 0: known from the first trial */
    double best;       /* lowest loss at a horizon; infinity: none yet */
    uint32_t complete; /* trials */
    /* Tokens trained since the start-up: in total, of new trials up to `first`, and granted to
     * leaders. */
    double spent, spent_new, spent_leader;
    struct esp_loss_ranking paused[ESP_MARKS];
    struct esp_loss_ranking unfinished; /* paused before their mark, by number */
    int *listed;         /* by trial: its mark; -1: in no list; ESP_MARKS: unfinished */
    double *listed_loss; /* by trial: its key in that list */
    uint32_t capacity;
};

/* Plans the start-up and sets `first`. -EINVAL: rungs that cannot be; -ENOMEM. */
int esp_freeze_thaw_plan_startup(struct esp_freeze_thaw *f, struct esp_error *error);
/* During the start-up, for a trial at a rung: CONTINUE to the next one, or PAUSE. */
struct esp_verdict esp_freeze_thaw_startup(const struct esp_freeze_thaw *f, uint32_t trial);
/* The best trial that waits to be continued in the start-up, at the highest rung that has one;
 * -1: none. */
int64_t esp_freeze_thaw_promoted(const struct esp_freeze_thaw *f);

/* For a free slot after the start-up: START, CONTINUE, NONE (wait) or END. */
struct esp_verdict esp_freeze_thaw_choose(const struct esp_freeze_thaw *f,
                                          const struct esp_slot_view *view);
/* For a trial at its mark after the start-up: CONTINUE when it is the best choice for its slot,
 * else PAUSE. */
struct esp_verdict esp_freeze_thaw_judge(const struct esp_freeze_thaw *f,
                                         uint32_t trial,
                                         const struct esp_slot_view *view);

#endif
