/* The learning rate of each step.
 *
 * With S steps, peak p, floor f·p, W = warmup·S and t = step + 1 ∈ 1 … S:
 *   warm-up    t < W   p · t / W
 *   cosine             f·p + (p − f·p) · (1 + cos(π (t − W) / (S − W))) / 2
 *   linear             p + (f·p − p) · (t − W) / (S − W)
 *   wsd                p until D = decay · (S − W) steps are left, then linear to f·p
 *   constant           p
 *   inverse-sqrt       max(f·p, p · √(max(W, 1) / t))
 * For schedules that end at the floor, the last step is exactly at it. W need not be an
 * integer. */
#ifndef ESPALIER_TRIAL_SCHEDULE_H
#define ESPALIER_TRIAL_SCHEDULE_H

#include <espalier/trainer.h>

/* The learning rate of the update after `step` updates, 0 ≤ step < esp_trainer_steps. */
double esp_schedule_rate(const struct esp_trainer *trainer, int64_t step);

#endif
