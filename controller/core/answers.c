/* Recorded answers to commands: a hash table with linear probing, at most half full. */
#include "answers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The place of this id, or the free one where it belongs. Ids are random, so they are their own
 * hash. */
static struct esp_answer *answer_place(struct esp_answer *table, uint32_t capacity, uint64_t id)
{
    assert(id != 0 && (capacity & (capacity - 1)) == 0);
    uint32_t at = (uint32_t)id & (capacity - 1);
    while (table[at].id && table[at].id != id) {
        at = (at + 1) & (capacity - 1);
    }
    return &table[at];
}

const struct esp_answer *esp_answer_find(const struct esp_core *core, uint64_t id)
{
    if (id == 0 || core->answer_capacity == 0) {
        return NULL;
    }
    struct esp_answer *answer = answer_place(core->answers, core->answer_capacity, id);
    return answer->id ? answer : NULL;
}

static int enlarge(struct esp_core *core)
{
    uint32_t capacity = core->answer_capacity ? core->answer_capacity * 2 : 64;
    struct esp_answer *larger = calloc(capacity, sizeof *larger);
    if (!larger) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < core->answer_capacity; i++) {
        if (core->answers[i].id) {
            *answer_place(larger, capacity, core->answers[i].id) = core->answers[i];
        }
    }
    free(core->answers);
    core->answers = larger;
    core->answer_capacity = capacity;
    return 0;
}

int esp_answer_keep(
    struct esp_core *core, uint64_t id, int32_t code, uint32_t trial, const char *text)
{
    if (id == 0) {
        return 0;
    }
    if (2 * (core->answer_count + 1) > core->answer_capacity && enlarge(core) < 0) {
        return -ENOMEM;
    }
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy) {
        return -ENOMEM;
    }
    struct esp_answer *answer = answer_place(core->answers, core->answer_capacity, id);
    core->answer_count += answer->id == 0;
    free(answer->text);
    *answer = (struct esp_answer){id, code, trial, copy};
    assert(2 * core->answer_count <= core->answer_capacity);
    return 0;
}
