/* An ordered set of (loss, trial) pairs, the lowest loss first: for example the trials at a
 * rung.
 *
 * Every operation is logarithmic in the number of entries. Equal losses are ordered by trial
 * number, so the order does not depend on when a loss was inserted. NaN is stored as +infinity:
 * worse than every finite loss. */
#ifndef ESPALIER_SEARCH_LOSS_RANKING_H
#define ESPALIER_SEARCH_LOSS_RANKING_H

#include <stdbool.h>
#include <stdint.h>

struct esp_loss_ranking_entry {
    double loss;
    uint32_t trial;
};

struct esp_loss_ranking_node;

struct esp_loss_ranking {
    struct esp_loss_ranking_node *nodes;
    uint32_t root; /* index into nodes, or ESP_LOSS_RANKING_NIL */
    uint32_t used, capacity;
    uint32_t free; /* list of erased nodes */
};

void esp_loss_ranking_init(struct esp_loss_ranking *ranking);
void esp_loss_ranking_release(struct esp_loss_ranking *ranking);

/* The pair must not be in the set. */
void esp_loss_ranking_insert(struct esp_loss_ranking *ranking, double loss, uint32_t trial);
/* Returns false when the pair is not in the set. */
bool esp_loss_ranking_erase(struct esp_loss_ranking *ranking, double loss, uint32_t trial);

uint32_t esp_loss_ranking_count(const struct esp_loss_ranking *ranking);
/* How many entries come before (loss, trial), plus one; the pair need not be in the set. */
uint32_t
esp_loss_ranking_rank(const struct esp_loss_ranking *ranking, double loss, uint32_t trial);
/* The entry of a rank in 1..count. */
struct esp_loss_ranking_entry esp_loss_ranking_at(const struct esp_loss_ranking *ranking,
                                                  uint32_t rank);

#endif
