/* Reads the `trainer` section of a study file, and a study file as the settings of one
 * training.
 *
 * Used by controller/study for a search, and by `espalier-trial train CONFIG.yaml`. */
#ifndef ESPALIER_CONFIG_H
#define ESPALIER_CONFIG_H

#include <espalier/error.h>
#include <espalier/trainer.h>
#include <espalier/yaml.h>

/* Reads the mapping `trainer: {…}` into `out`: the defaults, then what the file sets. Paths are
 * made absolute from `base_dir`. Faults are added to the document. Unless `nodes` is NULL,
 * `nodes[i]` becomes the node that sets esp_trainer_fields[i], or NULL. Fields are not checked
 * against each other; that is esp_trainer_validate, after the parameters were set. */
void esp_config_read_trainer(struct esp_yaml *yaml,
                             const struct esp_yaml_node *node,
                             const char *base_dir,
                             struct esp_trainer *out,
                             const struct esp_yaml_node **nodes);

/* Reads a study file as the settings of one training: `trainer`, and `parameters` that have one
 * value each ({value: v}, {values: [v]} or v alone). Other keys of a study are allowed and
 * ignored. -EINVAL with all faults in the error, or -errno for a file that cannot be read. */
int esp_config_read(const char *path, struct esp_trainer *out, struct esp_error *error);

/* Writes the absolute path of the folder of `path` into ESP_PATH_MAX bytes. -errno. */
int esp_config_folder(const char *path, char *out, struct esp_error *error);

/* Resolves a path relative to the folder `base_dir`, into ESP_PATH_MAX bytes. An absolute path
 * stays as it is; "~/" is the home folder. Where `path` is a glob, special characters in the
 * folder's name are escaped. -ENAMETOOLONG. */
int esp_config_resolve(const char *path, const char *base_dir, char *out);

#endif
