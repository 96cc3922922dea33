#include "reason.h"

#include "human.h"
#include "json.h"

#include <math.h>

/* Whether a value of the metric is at least as good as another; false for NaN. */
static bool as_good(double value, double other, bool maximize)
{
    return maximize ? value >= other : value <= other;
}

/* Whether a trial of the start-up may still continue, as far as the other trials of its rung
 * have reported. Of two equal trials the lower number continues, so an equal one still may. */
static bool waits_for_others(const struct esp_verdict *verdict, bool maximize)
{
    const struct esp_reason *reason = &verdict->reason;
    return verdict->action == ESP_VERDICT_PAUSE && reason->rule == ESP_RULE_STARTUP &&
           reason->rank > 0 &&
           (isnan(reason->threshold) || as_good(reason->value, reason->threshold, maximize));
}

/* The meaning of each rule in a few words. The numbers are printed after it. */
static const char *rule_words(enum esp_rule rule)
{
    static const char *const words[ESP_RULE_COUNT] = {
        [ESP_RULE_NONE] = "no rule",
        [ESP_RULE_HORIZON] = "no decision was needed: it trains to its horizon",
        [ESP_RULE_NEW] = "a new trial was the best use of a free slot",
        [ESP_RULE_ASHA_PROMOTE] =
            "asha: among the best of its rung, so it continues to the next",
        [ESP_RULE_ASHA_WAIT] = "asha: not (yet) among the best of its rung, so it waits there",
        [ESP_RULE_ASHA_STOP] = "asha, stopping form: not among the best of its rung",
        [ESP_RULE_MEDIAN] =
            "median: worse than the median of the other trials at the same point",
        [ESP_RULE_PERCENTILE] =
            "percentile: not in the best share of the trials at the same point",
        [ESP_RULE_HALVING] = "successive halving: not among the best of its rung",
        [ESP_RULE_HYPERBAND] = "hyperband: not among the best of its bracket's rung",
        [ESP_RULE_WANDB_HYPERBAND] = "W&B's hyperband: outside the best at this band",
        [ESP_RULE_PASHA] = "pasha: the ranking at the top rungs is settled",
        [ESP_RULE_CUT] = "cut: it waits where trials are compared; only the best continue",
        [ESP_RULE_PATIENCE] = "patience: no improvement for the allowed number of reports",
        [ESP_RULE_THRESHOLD] = "threshold: worse than the study file allows",
        [ESP_RULE_TARGET] = "the target is reached: the search ends",
        [ESP_RULE_FREEZE_THAW] = "freeze-thaw: compared by expected improvement per cost",
        [ESP_RULE_STARTUP] = "freeze-thaw's start-up: ranked at its rung by losses corrected "
                             "for the effect of their learning rates",
        [ESP_RULE_LEADER] = "freeze-thaw: of the waiting trials its curve has the best "
                            "forecast, and that trial "
                            "gets a share of the training whatever the model expects",
        [ESP_RULE_CALIBRATED] = "at the stated risk",
        [ESP_RULE_DIVERGED] = "its loss diverged",
        [ESP_RULE_INTERRUPT] = "the search was interrupted",
        [ESP_RULE_RESTART] = "the search was resumed",
        [ESP_RULE_STUDY_END] = "the search has ended",
        [ESP_RULE_USER] = "requested by the user",
        [ESP_RULE_BUDGET] = "the budget is spent",
        [ESP_RULE_SEED_NOISE] =
            "a tie: the leaders differ by less than seed noise, so another seed is trained",
        [ESP_RULE_EXHAUSTED] = "every setting was trained",
    };
    return rule < ESP_RULE_COUNT && words[rule] ? words[rule] : "?";
}

/* Whether a trial waits although it is among the best of its rung: because of pasha's ceiling.
 */
static bool below_ceiling(const struct esp_reason *reason, bool maximize)
{
    return reason->rank > 0 && !isnan(reason->threshold) &&
           (reason->rank == 1 || !as_good(reason->threshold, reason->value, maximize));
}

/* The words of a rule, which for some depend on whether the trial continues or waits. */
static const char *words_of(const struct esp_verdict *verdict, bool maximize)
{
    const struct esp_reason *reason = &verdict->reason;
    bool continues = verdict->action == ESP_VERDICT_CONTINUE;
    bool ranked = reason->rank > 0; /* a rung that is still filling, for hyperband */
    switch (reason->rule) {
    case ESP_RULE_HALVING:
        return continues ? "successive halving: among the best of its rung, so it continues"
               : ranked  ? "successive halving: it waits until its rung is full"
                         : rule_words(reason->rule);
    case ESP_RULE_HYPERBAND:
        return continues ? "hyperband: among the best of its bracket's rung, so it continues"
               : ranked  ? "hyperband: it waits until its bracket's rung is full"
                         : rule_words(reason->rule);
    case ESP_RULE_CUT:
        return !continues ? rule_words(reason->rule)
               : ranked   ? "cut: among the best where trials are compared, so it continues"
                          : "cut: on its way to where trials are compared";
    case ESP_RULE_STARTUP:
        return continues || ranked
                   ? rule_words(reason->rule)
                   : "freeze-thaw's start-up: it waits until the start-up is over";
    case ESP_RULE_ASHA_WAIT:
        return below_ceiling(reason, maximize)
                   ? "pasha: among the best of its rung; higher rungs stay closed while they "
                     "would rank trials in the same order"
                   : rule_words(reason->rule);
    default:
        return rule_words(reason->rule);
    }
}

static const char *action_words(enum esp_verdict_action action)
{
    switch (action) {
    case ESP_VERDICT_NONE:
        return "unchanged";
    case ESP_VERDICT_CONTINUE:
        return "continued";
    case ESP_VERDICT_PAUSE:
        return "paused";
    case ESP_VERDICT_PRUNE:
        return "pruned";
    case ESP_VERDICT_START:
        return "started";
    case ESP_VERDICT_DISCARD:
        return "discarded";
    case ESP_VERDICT_END:
        return "ended the search";
    case ESP_VERDICT_REPEAT:
        return "repeated";
    case ESP_VERDICT_SPARE:
        return "kept";
    }
    return "?";
}

static void add_rivals(const struct esp_reason *reason, struct esp_buffer *out)
{
    if (reason->rivals[0] >= 0) {
        bool tie = reason->rule == ESP_RULE_SEED_NOISE;
        esp_buffer_add(out, tie ? " The others that tie:" : " Nearest rivals:");
        for (int i = 0; i < ESP_RIVALS_MAX && reason->rivals[i] >= 0; i++) {
            esp_buffer_addf(out, "%s #%d", i ? "," : "", (int)reason->rivals[i]);
        }
        esp_buffer_add(out, ".");
    }
}

/* Whether the recorded value is a forecast for the horizon. */
static bool is_forecast(const struct esp_reason *reason)
{
    return reason->rule == ESP_RULE_FREEZE_THAW || reason->rule == ESP_RULE_LEADER;
}

/* The words before the value that the trial's value was compared with. */
static const char *limit_words(const struct esp_reason *reason, bool maximize)
{
    switch (reason->rule) {
    case ESP_RULE_FREEZE_THAW:
    case ESP_RULE_LEADER:
        return "the best so far is";
    case ESP_RULE_TARGET:
        return "the target is";
    case ESP_RULE_STARTUP:
        return "the last trial that can still continue has";
    case ESP_RULE_PATIENCE:
        return maximize ? "an improvement would be above" : "an improvement would be below";
    case ESP_RULE_SEED_NOISE:
        return maximize ? "seed noise alone may explain values above"
                        : "seed noise alone may explain values below";
    default:
        return "the limit is";
    }
}

/* Whether a trial with the same loss ranks before it: rungs rank by loss, then by number. In
 * the start-up an equal loss at the cut is mostly the trial's own. */
static bool ties_at_the_cut(const struct esp_verdict *verdict)
{
    const struct esp_reason *reason = &verdict->reason;
    bool rung = reason->rule == ESP_RULE_ASHA_WAIT || reason->rule == ESP_RULE_HALVING ||
                reason->rule == ESP_RULE_HYPERBAND || reason->rule == ESP_RULE_CUT;
    return verdict->action == ESP_VERDICT_PAUSE && rung && reason->rank != 1 &&
           reason->value == reason->threshold;
}

static void add_limit(const struct esp_verdict *verdict, bool maximize, struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    if (is_forecast(reason) && isinf(reason->threshold)) {
        esp_buffer_add(out, "; no trial has reached its horizon yet");
    } else if (!isnan(reason->threshold)) {
        esp_buffer_addf(out, "; %s %.5g", limit_words(reason, maximize), reason->threshold);
    }
    if (ties_at_the_cut(verdict)) {
        esp_buffer_add(out, ", and of equal trials the one with the lower number continues");
    }
}

/* "Corrected val_loss 2.61 at 67k tokens". */
static void
add_value(const struct esp_reason *reason, const char *metric, struct esp_buffer *out)
{
    bool forecast = is_forecast(reason);
    bool best = reason->rule == ESP_RULE_MEDIAN || reason->rule == ESP_RULE_PERCENTILE;
    bool setting = reason->rule == ESP_RULE_SEED_NOISE;
    esp_buffer_addf(out,
                    " %s%s %.5g",
                    reason->rule == ESP_RULE_STARTUP ? "Corrected "
                    : best                           ? "Its best "
                    : setting                        ? "The setting's "
                                                     : "",
                    metric,
                    reason->value);
    esp_buffer_add(out, forecast ? " forecast for its horizon" : setting ? " so far" : "");
    if (reason->at > 0) {
        esp_buffer_add(out, forecast ? ", now at " : best ? " up to " : " at ");
        esp_human_count(out, (double)reason->at);
        esp_buffer_add(out, " tokens");
        esp_buffer_add(out, forecast ? "," : "");
    }
}

static void add_rank(const struct esp_verdict *verdict, bool maximize, struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    if (reason->rule == ESP_RULE_PATIENCE) { /* `of` counts reports there */
        esp_buffer_addf(out, " ends %d reports without an improvement", (int)reason->of);
    } else if (reason->rule == ESP_RULE_SEED_NOISE) {
        esp_buffer_addf(out, " is rank %d of %d that tie", (int)reason->rank, (int)reason->of);
    } else if (reason->rank > 0 && reason->of > 0) {
        esp_buffer_addf(out,
                        " is rank %d of %d%s",
                        (int)reason->rank,
                        (int)reason->of,
                        waits_for_others(verdict, maximize) ? " so far" : "");
    } else if (reason->of > 0) {
        esp_buffer_addf(out, ", compared with %d trials", (int)reason->of);
    }
}

static void add_numbers(const struct esp_verdict *verdict,
                        const char *metric,
                        bool maximize,
                        struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    if (!isnan(reason->value)) {
        add_value(reason, metric, out);
        add_rank(verdict, maximize, out);
        add_limit(verdict, maximize, out);
        esp_buffer_add(out, ".");
    }
    if (waits_for_others(verdict, maximize)) {
        esp_buffer_add(out, " It waits for the other trials to reach that rung.");
    }
    if (!isnan(reason->expected)) {
        esp_buffer_addf(out, " Expected improvement %.4g", reason->expected);
        if (!isnan(reason->cost)) {
            esp_buffer_add(out, " for the ");
            esp_human_count(out, reason->cost);
            esp_buffer_add(out, " tokens that remain");
        }
        if (!isnan(reason->cost_seconds)) {
            esp_buffer_add(out, ", about ");
            esp_human_seconds(out, reason->cost_seconds);
            esp_buffer_add(out, " of device time");
        }
        esp_buffer_add(out, ".");
    }
    add_rivals(reason, out);
}

/* A verdict of the calibrated rule (controller/stop/discard.h): the mark, the number of better
 * trials there, the limit, and the number of studies that the limit was calibrated on. */
static void
add_calibrated(const struct esp_verdict *verdict, const char *metric, struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    if (verdict->action == ESP_VERDICT_CONTINUE) {
        esp_buffer_add(
            out, "trained to its horizon: an audit, because nothing else is left to train.");
        return;
    }
    esp_buffer_addf(
        out,
        "%s at mark %d: calibrated on %.0f finished studies at risk %g. %s %.5g at ",
        verdict->action == ESP_VERDICT_SPARE ? "not discarded, as an audit," : "discarded",
        (int)reason->rung,
        reason->cost,
        reason->expected,
        metric,
        reason->value);
    esp_human_count(out, (double)reason->at);
    esp_buffer_addf(out,
                    " tokens is rank %d of %d there; the limit is %.0f better ones.",
                    (int)reason->rank,
                    (int)reason->of,
                    reason->threshold);
    add_rivals(reason, out);
    esp_buffer_add(
        out,
        verdict->action == ESP_VERDICT_SPARE
            ? " By the rule it would be discarded; one in twenty such trials is kept, to test "
              "the rule."
            : " Its checkpoint is deleted.");
}

void esp_reason_verdict(const struct esp_verdict *verdict,
                        const char *metric,
                        bool maximize,
                        struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    if (reason->rule == ESP_RULE_CALIBRATED) {
        add_calibrated(verdict, metric, out);
        return;
    }
    esp_buffer_add(out, action_words(verdict->action));
    bool continues =
        verdict->action == ESP_VERDICT_CONTINUE || verdict->action == ESP_VERDICT_START;
    if (continues && verdict->until > 0) {
        esp_buffer_add(out, " until ");
        esp_human_count(out, (double)verdict->until);
        esp_buffer_add(out, " tokens");
    }
    if (reason->rung >= 0) {
        esp_buffer_addf(out, continues ? " (rung %d)" : " at rung %d", (int)reason->rung);
    }
    esp_buffer_addf(out, ": %s.", words_of(verdict, maximize));
    add_numbers(verdict, metric, maximize, out);
}

static void add_real(struct esp_buffer *out, const char *name, double value)
{
    esp_buffer_addf(out, ",\"%s\":", name);
    esp_json_real(out, value);
}

static void add_integer(struct esp_buffer *out, const char *name, int64_t value, bool known)
{
    if (known) {
        esp_buffer_addf(out, ",\"%s\":%lld", name, (long long)value);
    } else {
        esp_buffer_addf(out, ",\"%s\":null", name);
    }
}

void esp_reason_json(const struct esp_verdict *verdict, struct esp_buffer *out)
{
    const struct esp_reason *reason = &verdict->reason;
    esp_buffer_addf(out, "{\"action\":\"%s\"", esp_verdict_action_name(verdict->action));
    add_integer(out, "until", verdict->until, verdict->until > 0);
    esp_buffer_addf(out, ",\"rule\":\"%s\"", esp_rule_name(reason->rule));
    add_integer(out, "rung", reason->rung, reason->rung >= 0);
    add_integer(out, "at", reason->at, reason->at > 0);
    add_integer(out, "rank", reason->rank, reason->rank > 0);
    add_integer(out, "of", reason->of, reason->of > 0);
    add_real(out, "value", reason->value);
    add_real(out, "threshold", reason->threshold);
    add_real(out, "expected", reason->expected);
    add_real(out, "cost", reason->cost);
    add_real(out, "cost_seconds", reason->cost_seconds);
    esp_buffer_add(out, ",\"rivals\":[");
    for (int i = 0; i < ESP_RIVALS_MAX && reason->rivals[i] >= 0; i++) {
        esp_buffer_addf(out, "%s%d", i ? "," : "", (int)reason->rivals[i]);
    }
    esp_buffer_add(out, "]}");
}
