/* Studies that several tests of the search share. Each test file has a study of its own. */
#ifndef ESPALIER_TESTS_SEARCH_FIXTURE_H
#define ESPALIER_TESTS_SEARCH_FIXTURE_H

#include <espalier/random.h>
#include <espalier/study.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PLAIN_AXES 5
#define PLAIN_HORIZON 64

static inline double uniform(uint64_t stream, uint64_t counter)
{
    struct esp_random_block b = esp_random_at(77, stream, ESP_RANDOM_SIMULATION, counter);
    return esp_random_unit(b.word[0], b.word[1]);
}

/* Five linear parameters, p_i in [-1, 1 + i]: too many for a generic bowl, so that the constant
 * is the only mean. */
static inline void make_plain_study(struct esp_study *study)
{
    memset(study, 0, sizeof *study);
    study->prior.kind = ESP_PRIOR_NONE;
    study->trainer.tokens = PLAIN_HORIZON;
    study->param_count = PLAIN_AXES;
    for (int i = 0; i < PLAIN_AXES; i++) {
        study->params[i] =
            (struct esp_param){.distribution = ESP_UNIFORM, .min = -1, .max = 1 + i};
        snprintf(study->params[i].name, sizeof study->params[i].name, "p%d", i);
    }
}

/* The same random settings for the same trial; `x` gets their coordinates, unless it is
 * NULL. */
static inline void draw_plain(uint32_t trial, double drawn[PLAIN_AXES], double *x)
{
    for (int a = 0; a < PLAIN_AXES; a++) {
        drawn[a] = -1 + (2 + a) * uniform(trial, (uint64_t)a);
        if (x) {
            x[a] = 4 * (drawn[a] + 1) / (2 + a);
        }
    }
}

/* Learning rate over 9 octaves and batch size over 8 levels, on a model that Step Law was
 * measured on. */
static inline void make_rate_and_batch(struct esp_study *study, enum esp_prior_kind prior)
{
    static struct esp_value sizes[8];
    memset(study, 0, sizeof *study);
    study->prior.kind = prior;
    study->prior.parameters = 2e8;
    study->trainer.tokens = 4000000000;
    study->trainer.context = 2048;
    study->param_count = 2;
    study->params[0] = (struct esp_param){.name = "learning_rate",
                                          .distribution = ESP_LOG_UNIFORM_VALUES,
                                          .min = 1e-4,
                                          .max = 5e-2};
    for (int i = 0; i < 8; i++) {
        sizes[i] = (struct esp_value){.type = ESP_VALUE_INTEGER, .real = 16 << i};
    }
    study->params[1] = (struct esp_param){.name = "batch_size",
                                          .distribution = ESP_CATEGORICAL,
                                          .choices = sizes,
                                          .choice_count = 8};
}

/* Rates over 8 octaves, 2^-13 to 2^-5, and three batch sizes; 10 % warm-up, 25 % decay, a floor
 * of 0.1; 6400 tokens. */
static inline void make_scheduled_study(struct esp_study *study,
                                        enum esp_schedule_type schedule)
{
    static struct esp_value sizes[3];
    memset(study, 0, sizeof *study);
    for (int i = 0; i < 3; i++) {
        sizes[i] = (struct esp_value){.type = ESP_VALUE_INTEGER, .real = 4 << i};
    }
    study->abilities = esp_abilities_builtin();
    study->prior.kind = ESP_PRIOR_NONE;
    study->trainer.tokens = 6400;
    study->trainer.context = 1;
    study->trainer.schedule = schedule;
    study->trainer.warmup = 0.1;
    study->trainer.decay = 0.25;
    study->trainer.floor = 0.1;
    study->param_count = 2;
    study->params[0] = (struct esp_param){.name = "learning_rate",
                                          .distribution = ESP_LOG_UNIFORM_VALUES,
                                          .min = 0x1p-13,
                                          .max = 0x1p-5};
    study->params[1] = (struct esp_param){.name = "batch_size",
                                          .distribution = ESP_CATEGORICAL,
                                          .choices = sizes,
                                          .choice_count = 3};
}

#endif
