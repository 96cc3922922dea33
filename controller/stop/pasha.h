/* When PASHA raises its highest rung (Bohdal et al., ICLR 2023): while the order of the trials
 * there is not the one that they had a rung below. */
#ifndef ESPALIER_STOP_PASHA_H
#define ESPALIER_STOP_PASHA_H

#include <stdbool.h>
#include <stdint.h>

/* Whether trials, ascending by their losses `here` at the highest rung, had another order by
 * their losses `below`, at the rung before. By soft ranking: two trials count as equal when
 * they differ here by no more than the largest difference between neighbours that changed
 * places. */
bool esp_pasha_order_changed(const double *here, const double *below, uint32_t count);

#endif
