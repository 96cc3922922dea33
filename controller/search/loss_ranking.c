/* The ordered set as a treap with subtree sizes (Seidel and Aragon, Algorithmica 1996).
 *
 * Priorities are a hash of the trial's number. So the shape depends on the contents only, and
 * no order of insertion makes the tree deep. Recursion is as deep as the tree: for
 * ESP_TRIALS_MAX = 2^20 entries about 2 ln n = 28 levels are expected, 100 never seen. */
#include "loss_ranking.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define ESP_LOSS_RANKING_NIL UINT32_MAX

struct esp_loss_ranking_node {
    double loss;
    uint32_t trial;
    uint32_t priority;
    uint32_t left, right;
    uint32_t size;
};

static uint32_t hash(uint32_t x)
{
    x = (x ^ (x >> 16)) * 0x7feb352du;
    x = (x ^ (x >> 15)) * 0x846ca68bu;
    return x ^ (x >> 16);
}

static double ordered(double loss)
{
    return isnan(loss) ? INFINITY : loss;
}

static bool before(double loss, uint32_t trial, const struct esp_loss_ranking_node *node)
{
    return loss < node->loss || (loss == node->loss && trial < node->trial);
}

static uint32_t size_of(const struct esp_loss_ranking *ranking, uint32_t node)
{
    return node == ESP_LOSS_RANKING_NIL ? 0 : ranking->nodes[node].size;
}

static void resize(struct esp_loss_ranking *ranking, uint32_t node)
{
    struct esp_loss_ranking_node *n = &ranking->nodes[node];
    n->size = 1 + size_of(ranking, n->left) + size_of(ranking, n->right);
}

void esp_loss_ranking_init(struct esp_loss_ranking *ranking)
{
    *ranking =
        (struct esp_loss_ranking){.root = ESP_LOSS_RANKING_NIL, .free = ESP_LOSS_RANKING_NIL};
}

void esp_loss_ranking_release(struct esp_loss_ranking *ranking)
{
    free(ranking->nodes);
    esp_loss_ranking_init(ranking);
}

static uint32_t take_node(struct esp_loss_ranking *ranking)
{
    if (ranking->free != ESP_LOSS_RANKING_NIL) {
        uint32_t node = ranking->free;
        ranking->free = ranking->nodes[node].left;
        return node;
    }
    if (ranking->used == ranking->capacity) {
        uint32_t capacity = ranking->capacity ? ranking->capacity * 2 : 16;
        ranking->nodes = realloc(ranking->nodes, capacity * sizeof *ranking->nodes);
        assert(ranking->nodes); /* a few bytes per trial: without memory nothing can continue */
        ranking->capacity = capacity;
    }
    return ranking->used++;
}

/* Splits `node` into what comes before (loss, trial) and the rest. */
static void split(struct esp_loss_ranking *ranking,
                  uint32_t node,
                  double loss,
                  uint32_t trial,
                  uint32_t *low,
                  uint32_t *high)
{
    if (node == ESP_LOSS_RANKING_NIL) {
        *low = *high = ESP_LOSS_RANKING_NIL;
        return;
    }
    struct esp_loss_ranking_node *n = &ranking->nodes[node];
    if (before(loss, trial, n)) {
        split(ranking, n->left, loss, trial, low, &n->left);
        *high = node;
    } else {
        split(ranking, n->right, loss, trial, &n->right, high);
        *low = node;
    }
    resize(ranking, node);
}

static uint32_t merge(struct esp_loss_ranking *ranking, uint32_t low, uint32_t high)
{
    if (low == ESP_LOSS_RANKING_NIL) {
        return high;
    }
    if (high == ESP_LOSS_RANKING_NIL) {
        return low;
    }
    struct esp_loss_ranking_node *l = &ranking->nodes[low], *h = &ranking->nodes[high];
    if (l->priority > h->priority) {
        l->right = merge(ranking, l->right, high);
        resize(ranking, low);
        return low;
    }
    h->left = merge(ranking, low, h->left);
    resize(ranking, high);
    return high;
}

void esp_loss_ranking_insert(struct esp_loss_ranking *ranking, double loss, uint32_t trial)
{
    loss = ordered(loss);
    uint32_t node = take_node(ranking), low, high;
    ranking->nodes[node] = (struct esp_loss_ranking_node){
        .loss = loss,
        .trial = trial,
        .priority = hash(trial),
        .left = ESP_LOSS_RANKING_NIL,
        .right = ESP_LOSS_RANKING_NIL,
        .size = 1,
    };
    split(ranking, ranking->root, loss, trial, &low, &high);
    ranking->root = merge(ranking, merge(ranking, low, node), high);
}

bool esp_loss_ranking_erase(struct esp_loss_ranking *ranking, double loss, uint32_t trial)
{
    loss = ordered(loss);
    uint32_t *link = &ranking->root;
    uint32_t path[256], depth = 0;
    while (*link != ESP_LOSS_RANKING_NIL) {
        struct esp_loss_ranking_node *n = &ranking->nodes[*link];
        if (n->loss == loss && n->trial == trial) {
            break;
        }
        assert(depth < sizeof path / sizeof *path);
        path[depth++] = *link;
        link = before(loss, trial, n) ? &n->left : &n->right;
    }
    if (*link == ESP_LOSS_RANKING_NIL) {
        return false;
    }
    uint32_t node = *link;
    *link = merge(ranking, ranking->nodes[node].left, ranking->nodes[node].right);
    while (depth > 0) {
        ranking->nodes[path[--depth]].size--;
    }
    ranking->nodes[node].left = ranking->free;
    ranking->free = node;
    return true;
}

uint32_t esp_loss_ranking_count(const struct esp_loss_ranking *ranking)
{
    return size_of(ranking, ranking->root);
}

uint32_t
esp_loss_ranking_rank(const struct esp_loss_ranking *ranking, double loss, uint32_t trial)
{
    loss = ordered(loss);
    uint32_t rank = 1, node = ranking->root;
    while (node != ESP_LOSS_RANKING_NIL) {
        const struct esp_loss_ranking_node *n = &ranking->nodes[node];
        if (n->loss < loss || (n->loss == loss && n->trial < trial)) {
            rank += size_of(ranking, n->left) + 1;
            node = n->right;
        } else {
            node = n->left;
        }
    }
    return rank;
}

struct esp_loss_ranking_entry esp_loss_ranking_at(const struct esp_loss_ranking *ranking,
                                                  uint32_t rank)
{
    assert(rank >= 1 && rank <= esp_loss_ranking_count(ranking));
    uint32_t node = ranking->root;
    for (;;) {
        const struct esp_loss_ranking_node *n = &ranking->nodes[node];
        uint32_t left = size_of(ranking, n->left);
        if (rank <= left) {
            node = n->left;
        } else if (rank == left + 1) {
            return (struct esp_loss_ranking_entry){.loss = n->loss, .trial = n->trial};
        } else {
            rank -= left + 1;
            node = n->right;
        }
    }
}
