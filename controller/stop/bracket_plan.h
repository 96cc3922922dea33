/* Sizes and amounts of training of Hyperband's brackets (Li et al., JMLR 18, 2018, algorithm
 * 1).
 *
 * R is the last rung, r the first, s_max = ⌊log_eta(R/r)⌋. Bracket s starts
 * n_s = ⌈(s_max + 1)/(s + 1)·eta^s⌉ trials at R·eta^-s; at its rung i the best ⌊n_s·eta^-(i+1)⌋
 * go on to eta times as much. Brackets follow each other from s_max down to 0, over and over.
 * Successive halving has bracket s_max alone, with run_cap trials where that is given. */
#ifndef ESPALIER_STOP_BRACKET_PLAN_H
#define ESPALIER_STOP_BRACKET_PLAN_H

#include <espalier/study.h>
#include <stdbool.h>
#include <stdint.h>

/* eta = 2 over 31 octaves. */
#define ESP_BRACKETS_MAX 32

struct esp_bracket_plan {
    double eta;
    int64_t last; /* R, tokens */
    int s_max;
    bool one_bracket; /* successive halving */
    uint32_t run_cap; /* 0: none */
};

/* -EINVAL: no last rung is known, or the rungs cannot be. */
int esp_bracket_plan_make(struct esp_bracket_plan *plan,
                          const struct esp_study *study,
                          bool one_bracket,
                          struct esp_error *error);

/* The s of bracket number `index`, from 0. */
int esp_bracket_plan_s(const struct esp_bracket_plan *plan, uint32_t index);
/* n_s: trials that bracket s starts. */
uint32_t esp_bracket_plan_size(const struct esp_bracket_plan *plan, int s);
/* How many of `size` trials at rung `rung` of bracket s go on; at least one. */
uint32_t
esp_bracket_plan_kept(const struct esp_bracket_plan *plan, int s, uint32_t size, int rung);
/* Tokens of rung `rung` of bracket s, R·eta^(rung - s), for a trial with this horizon; the last
 * rung is the horizon when R is. */
int64_t
esp_bracket_plan_target(const struct esp_bracket_plan *plan, int s, int rung, int64_t horizon);

#endif
