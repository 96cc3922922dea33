#include "bracket_plan.h"

#include "rungs.h"

#include <errno.h>
#include <math.h>

int esp_bracket_plan_make(struct esp_bracket_plan *plan,
                          const struct esp_study *study,
                          bool one_bracket,
                          struct esp_error *error)
{
    struct esp_rungs rungs;
    int rc = esp_rungs_make(&rungs, study, error);
    if (rc < 0) {
        return rc;
    }
    double last =
        study->stopping.max > 0 ? study->stopping.max : (double)esp_study_horizon(study);
    if (!(last > 0)) {
        return esp_error_line(error,
                              -EINVAL,
                              study->stopping.line,
                              "early_terminate %s needs to know how far trials train, and this "
                              "study does not say; give `max`",
                              one_bracket ? "halving" : "hyperband");
    }
    *plan = (struct esp_bracket_plan){
        .eta = rungs.eta,
        .last = (int64_t)last,
        .one_bracket = one_bracket,
        .run_cap = study->run_cap > 0 ? (uint32_t)study->run_cap : 0,
    };
    double first = rungs.level[0] == INT64_MAX ? last : (double)rungs.level[0];
    /* A first rung that was rounded up to a whole token counts as the unrounded one. */
    while (plan->s_max + 1 < ESP_BRACKETS_MAX) {
        double next = last * pow(plan->eta, -(plan->s_max + 1)) + 1e-6;
        if (next < 1 || next <= first - 1) {
            break;
        }
        plan->s_max++;
    }
    return 0;
}

int esp_bracket_plan_s(const struct esp_bracket_plan *plan, uint32_t index)
{
    return plan->one_bracket ? plan->s_max
                             : plan->s_max - (int)(index % (uint32_t)(plan->s_max + 1));
}

uint32_t esp_bracket_plan_size(const struct esp_bracket_plan *plan, int s)
{
    if (plan->one_bracket && plan->run_cap > 0) {
        return plan->run_cap;
    }
    double share = plan->one_bracket ? 1 : (double)(plan->s_max + 1) / (s + 1);
    return (uint32_t)ceil(share * pow(plan->eta, s) - 1e-9);
}

uint32_t
esp_bracket_plan_kept(const struct esp_bracket_plan *plan, int s, uint32_t size, int rung)
{
    double planned = esp_bracket_plan_size(plan, s);
    planned = planned < size || rung > 0 ? planned : size;
    uint32_t kept = (uint32_t)floor(planned * pow(plan->eta, -(rung + 1)) + 1e-9);
    return kept > 0 ? kept : 1;
}

int64_t
esp_bracket_plan_target(const struct esp_bracket_plan *plan, int s, int rung, int64_t horizon)
{
    double level = ceil((double)plan->last * pow(plan->eta, rung - s) - 1e-6);
    if (rung >= s || level >= (double)horizon) {
        return plan->last < horizon && rung == s && level < (double)horizon ? (int64_t)level
                                                                            : horizon;
    }
    return level < 1 ? 1 : (int64_t)level;
}
