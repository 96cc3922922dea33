/* Another setting in place of one that exists already: the trainer would give the same number
 * again.
 *
 * Of few settings, the nearest one without a trial. Of many, or where a parameter is
 * continuous, a near one: some steps from the proposed one are tried, and of finitely many
 * settings then each in turn. A function of the study's seed, the number of the setting and the
 * settings that exist. */
#ifndef ESPALIER_SEARCH_UNSEEN_SETTING_H
#define ESPALIER_SEARCH_UNSEEN_SETTING_H

#include "known_settings.h"
#include "setting_space.h"

/* Replaces `values`, which exist, for the new setting `number`. False: no other was found, and
 * `values` are unchanged. */
bool esp_unseen_setting(const struct esp_setting_space *space,
                        const struct esp_known_settings *known,
                        uint32_t number,
                        double *values);

/* Replaces choices with probability 0, which some samplers propose, by draws. */
void esp_drawable_setting(const struct esp_setting_space *space,
                          uint32_t number,
                          double *values);

#endif
