/* The start-up of freeze-thaw: how large it is, and which trials it continues.
 *
 * The start-up is one bracket of successive halving (startup.h). Its size follows from eta, the
 * horizon, the report interval and the warm-up. */
#include "freeze_thaw_private.h"
#include "rungs.h"

#include <math.h>

#define STARTUP_RUNGS 3
/* A scaling law says which region to search. */
#define STARTUP_RUNGS_LAW 2
/* Trials of the start-up as a share of eta^s: 24 of 27, 8 of 9. Two instead of three then train
 * for a third of the horizon, where the model would not have chosen the third either. With few
 * searched settings, 18 of 27 are enough. */
#define STARTUP_SHARE (8.0 / 9)
#define STARTUP_SHARE_FEW (2.0 / 3)
#define FEW_SETTINGS 4
/* The first rung may be this little before the first report: of 25 reports the first is at 0.04
 * of the horizon, and the first of three rungs at 0.037. */
#define LEVEL_NEAR 0.9
/* A new trial is first judged a quarter beyond its warm-up: during warm-up all learning rates
 * are small, and those that are too large look as good as the best. The rungs of the start-up
 * are powers of eta, so its first one may be where the warm-up ends; it ranks by later rungs as
 * well. */
#define WARMED_UP 1.25

/* Share of the steps that every trial spends on warm-up; 0: it differs between trials. */
static double warmup_of(const struct esp_freeze_thaw *f)
{
    for (int i = 0; i < f->study->param_count; i++) {
        const struct esp_param *p = &f->study->params[i];
        if (esp_trainer_field(p->name) == esp_trainer_field("warmup")) {
            return p->distribution == ESP_CONSTANT ? p->choices[0].real : 0;
        }
    }
    return f->study->trainer.warmup;
}

/* Most of eta^s trials train to horizon / eta^s, a third of them three times as far, and so on:
 * less than s + 1 full trainings (startup.h). New trials after the start-up train as far at
 * first: earlier losses carry little information (the first report is often of an untrained
 * model), and losses during warm-up none. */
int esp_freeze_thaw_plan_startup(struct esp_freeze_thaw *f, struct esp_error *error)
{
    struct esp_rungs rungs;
    int rc = esp_rungs_make(&rungs, f->study, error);
    if (rc < 0) {
        return rc;
    }
    const struct esp_scaling_law *law = esp_surrogate_law(f->surrogate);
    bool known = esp_scaling_law_is_known(law) && law->matched;
    int s = known ? STARTUP_RUNGS_LAW : STARTUP_RUNGS;
    f->first = rungs.level[0];
    if (f->horizon <= 0) {
        return 0;
    }
    double tokens_min = fmax((double)esp_report_interval(f->study), 1), warm = 0;
    if (f->study->stopping.min > 0) {
        tokens_min = f->study->stopping.min;
    } else {
        warm = warmup_of(f);
        tokens_min = fmax(tokens_min, warm * f->horizon);
    }
    double first = fmax(pow(rungs.eta, -STARTUP_RUNGS), fmin(WARMED_UP * warm, 1));
    f->first = (int64_t)fmax(ceil(f->horizon * first - 1e-6), tokens_min);
    while (s > 0 && f->horizon * pow(rungs.eta, -s) < tokens_min * LEVEL_NEAR) {
        s--;
    }
    bool few = s == STARTUP_RUNGS && esp_surrogate_space(f->surrogate)->count <= FEW_SETTINGS;
    double share = few ? STARTUP_SHARE_FEW : STARTUP_SHARE;
    uint32_t size = s > 0 ? (uint32_t)floor(share * pow(rungs.eta, s) + 1e-6) : 0;
    if (f->study->run_cap > 0 && size > f->study->run_cap) {
        size = (uint32_t)f->study->run_cap;
    }
    f->startup = size > 0;
    rc = esp_startup_init(&f->bracket, size, s, tokens_min, f->horizon, rungs.eta);
    return rc < 0 ? esp_error_set(error, rc, "out of memory") : 0;
}

struct esp_verdict esp_freeze_thaw_startup(const struct esp_freeze_thaw *f, uint32_t trial)
{
    const struct esp_roster_trial *t = esp_roster_get(&f->roster, trial);
    int64_t until = esp_startup_onward(&f->bracket, trial);
    bool on = until > t->tokens;
    struct esp_verdict verdict = esp_verdict_make(on ? ESP_VERDICT_CONTINUE : ESP_VERDICT_PAUSE,
                                                  trial,
                                                  !on                  ? 0
                                                  : until < t->horizon ? until
                                                                       : t->horizon,
                                                  ESP_RULE_STARTUP);
    verdict.reason.at = t->tokens;
    esp_startup_explain(&f->bracket, trial, &verdict.reason);
    return verdict;
}

int64_t esp_freeze_thaw_promoted(const struct esp_freeze_thaw *f)
{
    for (int k = f->bracket.rungs - 1; k >= 0; k--) {
        int64_t trial;
        for (uint32_t r = 1; (trial = esp_startup_next(&f->bracket, k, r)) >= 0; r++) {
            const struct esp_roster_trial *t = esp_roster_get(&f->roster, (uint32_t)trial);
            if (t->state == ESP_ROSTER_PAUSED && !t->held &&
                esp_startup_rung(&f->bracket, (uint32_t)trial) == k && t->tokens < t->horizon) {
                return trial;
            }
        }
    }
    return -1;
}
