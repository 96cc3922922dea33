/* Paths that name a recorded study: its folder, or its ledger. */
#ifndef ESPALIER_REPLAY_RECORDED_PATH_H
#define ESPALIER_REPLAY_RECORDED_PATH_H

#include <espalier/error.h>
#include <espalier/limits.h>
#include <stdbool.h>

#define ESP_RECORDED_LEDGER "study.db"

/* Whether a path names a recorded study rather than a table: a folder, or a database. */
bool esp_recorded_path_is_study(const char *path);
/* The study's folder. -ENAMETOOLONG; -EINVAL for a database by another name. A path that does
 * not exist is taken for a folder: the reader of the ledger reports it. */
int esp_recorded_path_folder(const char *path,
                             char folder[ESP_PATH_MAX],
                             struct esp_error *error);

#endif
