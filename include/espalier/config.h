/* The `trainer` section of a study file, and study files read for one training alone.
 *
 * Used by controller/study for a search, and by `espalier-trial train CONFIG.yaml` for a single
 * run (DESIGN 9). */
#ifndef ESPALIER_CONFIG_H
#define ESPALIER_CONFIG_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <espalier/yaml.h>

/* Reads the mapping `trainer: {…}` into `out`: defaults first, then what the file sets, the
 * data's path made absolute from `base_dir`. Faults go to the document. `nodes[i]`, unless
 * `nodes` is NULL, becomes the node that sets esp_trainer_fields[i], or NULL. Cross-checks of
 * several fields are left to the caller, after the parameters (esp_trainer_validate). */
void esp_config_read_trainer(struct esp_yaml *yaml,
                             const struct esp_yaml_node *node,
                             const char *base_dir,
                             struct esp_trainer *out,
                             const struct esp_yaml_node **nodes);

/* Reads a study file that needs only `trainer` and single-valued `parameters`: {value: v},
 * {values: [v]} or v itself. Other keys of a study are accepted and not looked at. Returns 0,
 * -EINVAL with all faults in the error, or -errno for a file that cannot be read. */
int esp_config_read(const char *path, struct esp_trainer *out, struct esp_error *error);

/* The folder that `path` lies in, absolute, into ESP_PATH_MAX bytes. -errno. */
int esp_config_folder(const char *path, char *out, struct esp_error *error);

/* `path` as seen from the folder `base_dir`, into ESP_PATH_MAX bytes: absolute paths stay, "~/"
 * is the home folder. Where `path` is a glob, signs of a glob in the folder's own name are
 * escaped. -ENAMETOOLONG. */
int esp_config_resolve(const char *path, const char *base_dir, char *out);

#endif
