#include "repeat_private.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

void esp_repeat_init(struct esp_repeat *r, uint32_t repeats_max)
{
    *r = (struct esp_repeat){.repeats_max =
                                 repeats_max < ESP_REPEATS_MAX ? repeats_max : ESP_REPEATS_MAX,
                             .loss_min = NAN,
                             .scatter = NAN};
    esp_loss_ranking_init(&r->singles);
}

void esp_repeat_release(struct esp_repeat *r)
{
    esp_loss_ranking_release(&r->singles);
    free(r->trials);
    free(r->repeated);
    free(r->open);
    *r = (struct esp_repeat){0};
}

static void push(uint32_t **list, uint32_t *count, uint32_t *capacity, uint32_t trial)
{
    if (*count == *capacity) {
        *capacity = *capacity ? *capacity * 2 : 8;
        *list = realloc(*list, *capacity * sizeof **list);
        assert(*list);
    }
    (*list)[(*count)++] = trial;
}

static void add_trial(struct esp_repeat *r, uint32_t trial, uint32_t of, int64_t horizon)
{
    assert(trial == r->count);
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->trials = realloc(r->trials, r->capacity * sizeof *r->trials);
        assert(r->trials);
    }
    r->trials[r->count++] = (struct esp_repeat_trial){
        .horizon = horizon, .final = NAN, .last = NAN, .of = of, .state = ESP_REPEAT_LIVE};
}

void esp_repeat_created(struct esp_repeat *r, uint32_t trial, int64_t horizon)
{
    add_trial(r, trial, trial, horizon);
    r->since = 0;
}

void esp_repeat_repeated(struct esp_repeat *r, uint32_t trial, uint32_t of, int64_t horizon)
{
    assert(of < r->count && r->trials[of].of == of);
    add_trial(r, trial, of, horizon);
    struct esp_repeat_trial *first = &r->trials[of];
    if (first->made++ == 0) {
        push(&r->repeated, &r->repeated_count, &r->repeated_capacity, of);
        r->since++;
        if (first->seeds.count > 0) {
            esp_loss_ranking_erase(&r->singles, first->final, of);
        }
    }
    push(&r->open, &r->open_count, &r->open_capacity, trial);
}

/* Counts the first loss at the horizon. */
static void settle(struct esp_repeat *r, uint32_t trial, double loss)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    if (!isnan(t->final) || !isfinite(loss)) {
        return;
    }
    t->final = loss;
    if (!(loss >= r->loss_min)) {
        r->loss_min = loss;
        r->scatter = esp_scatter_size(&t->scatter);
    }
    struct esp_repeat_trial *first = &r->trials[t->of];
    esp_seeds_add(&first->seeds, &r->pool, loss);
    if (first->made == 0) {
        esp_loss_ranking_insert(&r->singles, loss, trial);
    }
}

void esp_repeat_observed(struct esp_repeat *r, uint32_t trial, int64_t tokens, double loss)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    t->tokens = tokens > t->tokens ? tokens : t->tokens;
    t->last = isfinite(loss) ? loss : t->last;
    esp_scatter_add(&t->scatter, tokens, t->horizon, loss);
    if (tokens >= t->horizon) {
        settle(r, trial, loss);
    }
}

static void change_state(struct esp_repeat *r, uint32_t trial, enum esp_repeat_state state)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    bool was_open = t->state != ESP_REPEAT_ENDED, is_open = state != ESP_REPEAT_ENDED;
    t->state = state;
    if (t->of == trial || was_open == is_open) {
        return;
    }
    if (is_open) {
        push(&r->open, &r->open_count, &r->open_capacity, trial);
        return;
    }
    for (uint32_t i = 0; i < r->open_count; i++) {
        if (r->open[i] == trial) {
            r->open[i] = r->open[--r->open_count];
            return;
        }
    }
}

void esp_repeat_continued(struct esp_repeat *r, uint32_t trial)
{
    change_state(r, trial, ESP_REPEAT_LIVE);
}

void esp_repeat_paused(struct esp_repeat *r, uint32_t trial, bool held)
{
    change_state(r, trial, held ? ESP_REPEAT_HELD : ESP_REPEAT_PAUSED);
}

void esp_repeat_ended(struct esp_repeat *r, uint32_t trial, enum esp_cause cause)
{
    struct esp_repeat_trial *t = &r->trials[trial];
    change_state(r, trial, ESP_REPEAT_ENDED);
    if (cause == ESP_CAUSE_COMPLETE) {
        settle(r, trial, t->last); /* a program may end before the horizon */
    }
    if (cause == ESP_CAUSE_DIVERGED && t->of != trial) {
        r->trials[t->of].seeds.diverged = true;
    }
}

uint32_t esp_repeat_live(const struct esp_repeat *r)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < r->open_count; i++) {
        live += r->trials[r->open[i]].state == ESP_REPEAT_LIVE;
    }
    return live;
}

bool esp_repeat_was_last(const struct esp_repeat *r)
{
    return r->count > 0 && r->trials[r->count - 1].of != r->count - 1;
}

uint32_t esp_repeat_of(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return r->trials[trial].of;
}

int64_t esp_repeat_horizon(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return r->trials[trial].horizon;
}

const struct esp_seeds *esp_repeat_seeds(const struct esp_repeat *r, uint32_t trial)
{
    assert(trial < r->count);
    return &r->trials[trial].seeds;
}

double esp_repeat_noise(const struct esp_repeat *r)
{
    return esp_seed_noise(&r->pool, r->loss_min, r->scatter);
}
