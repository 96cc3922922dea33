/* A sampler proposes the parameters of new trials.
 *
 * Pure: its state is a fold of the calls below, and its random numbers are counter-based and
 * keyed by (study seed, trial). `propose` changes nothing; a trial exists from `created` on.
 * Losses are finite or NaN, and smaller is better: the caller negates a metric that is
 * maximised. */
#ifndef ESPALIER_SEARCH_SAMPLER_H
#define ESPALIER_SEARCH_SAMPLER_H

#include <espalier/event.h>
#include <espalier/study.h>

struct esp_sampler;

/* How a trial ended. */
enum esp_trial_end {
    ESP_END_COMPLETE,
    ESP_END_PRUNED,
    ESP_END_DIVERGED,
    ESP_END_FAILED,
    ESP_END_STOPPED,
};

struct esp_sampler_ops {
    int (*create)(const struct esp_study *study, void **self, struct esp_error *error);
    void (*destroy)(void *self);
    /* A trial exists with these drawn values. Called in the order of trial numbers. */
    void (*created)(void *self, uint32_t trial, const double *values);
    /* A loss was recorded at `tokens`. */
    void (*observed)(void *self, uint32_t trial, int64_t tokens, double loss);
    void (*ended)(void *self, uint32_t trial, enum esp_trial_end end);
    /* Writes the drawn values for `trial`, the next number. 0; ESP_SAMPLER_EXHAUSTED: nothing
     * is left to propose (grid); or a negative errno. */
    int (*propose)(const void *self, uint32_t trial, double *values, struct esp_reason *reason);
    /* Optional: computes a fit when one is due, as numbers that the caller records and then
     * passes to `fitted`. Returns how many of `capacity` numbers it wrote; 0: none is due. */
    int (*refit)(const void *self, double *numbers, int capacity);
    void (*fitted)(void *self, const double *numbers, int count);
};

/* Also the answer of the frame (sampler.c) for any sampler, when every setting has a trial. */
#define ESP_SAMPLER_EXHAUSTED 1
#define ESP_FIT_NUMBERS_MAX 256

extern const struct esp_sampler_ops esp_sampler_grid;
extern const struct esp_sampler_ops esp_sampler_random;
extern const struct esp_sampler_ops esp_sampler_sobol;
extern const struct esp_sampler_ops esp_sampler_tpe;
extern const struct esp_sampler_ops esp_sampler_bayes;

/* Number of settings that a search of this study trains at most, by its method; 0: not finite,
 * or limited by nothing but run_cap, because a setting may be trained again. */
int64_t esp_study_setting_count(const struct esp_study *study);

/* Creates the sampler of the study's method (registry.h). -EINVAL: it cannot search this
 * space. The study must outlive it. */
int esp_sampler_create(const struct esp_study *study,
                       struct esp_sampler **out,
                       struct esp_error *error);
void esp_sampler_destroy(struct esp_sampler *sampler);
void esp_sampler_created(struct esp_sampler *sampler, uint32_t trial, const double *values);
/* A trial that repeats another's settings with another seed. It takes a number, but the sampler
 * counts settings (setting_numbers.h) and sees neither the repeat nor its losses: a second loss
 * at the same point would count twice in TPE, and every other point was measured with the first
 * seed. */
void esp_sampler_repeated(struct esp_sampler *sampler, uint32_t trial);
void esp_sampler_observed(struct esp_sampler *sampler,
                          uint32_t trial,
                          int64_t tokens,
                          double loss);
void esp_sampler_ended(struct esp_sampler *sampler, uint32_t trial, enum esp_trial_end end);
/* About how many settings have no trial yet, at least 1; INT64_MAX: not finite, or settings may
 * be trained again. A grid may have more left when a user added settings that are not on it. */
int64_t esp_sampler_unseen(const struct esp_sampler *sampler);
/* The last trial with these values, no repeat; -1: none. */
int64_t esp_sampler_trial_with(const struct esp_sampler *sampler, const double *values);
/* The proposal for trial `trial`, the next number. A setting that has a trial is proposed again
 * only when the study's trainer is not deterministic and every setting has one. 0;
 * ESP_SAMPLER_EXHAUSTED: every setting has a trial; or a negative errno. */
int esp_sampler_propose(const struct esp_sampler *sampler,
                        uint32_t trial,
                        double *values,
                        struct esp_reason *reason);
int esp_sampler_refit(const struct esp_sampler *sampler, double *numbers, int capacity);
void esp_sampler_fitted(struct esp_sampler *sampler, const double *numbers, int count);

#endif
