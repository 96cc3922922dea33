/* What the files that read a study share. */
#ifndef CONTROLLER_STUDY_READER_H
#define CONTROLLER_STUDY_READER_H

#include "study.h"

#include <espalier/study_section.h>
#include <espalier/yaml.h>

/* The readers take keys out of the file by their rows alone. */
#pragma GCC poison esp_yaml_get esp_yaml_get_key esp_yaml_check_keys

/* Rows of esp_trainer_fields; a test holds it against the table. */
#define READER_FIELDS_MAX 64
#define READER_WARNING_MAX 2048

struct reader {
    struct esp_yaml *yaml;
    const struct esp_yaml_node *root;
    const char *base_dir;
    struct esp_study *study;
    const struct esp_yaml_node *trainer; /* NULL: a program of the user's own */
    const struct esp_yaml_node *trainer_nodes[READER_FIELDS_MAX];
    const struct esp_yaml_node *param_nodes[ESP_PARAMS_MAX]; /* what stands behind the name */
    const struct esp_stopping_section *stopping; /* while `early_terminate` is read */
    bool out_of_memory;
    char warning[READER_WARNING_MAX];
};

/* Adds to the one warning; parts are joined by "; ". */
__attribute__((format(printf, 2, 3))) void
esp_reader_warn(struct reader *r, const char *format, ...);

/* Each reads its key of the root into the study; faults go to the document. In this order. */
void esp_read_parameters(struct reader *r);
void esp_read_metric(struct reader *r);
void esp_read_prior(struct reader *r);
void esp_read_stopping(struct reader *r);
void esp_read_budget(struct reader *r);
void esp_read_command(struct reader *r);

/* One parameter's distribution, from the node behind its name. `param` is zero but for its name
 * and place. False after a fault. */
bool esp_read_distribution(struct reader *r,
                           const struct esp_yaml_node *node,
                           struct esp_param *param);

/* What only shows when everything is read: parameters against the trainer's fields, the grid,
 * steps per trial, rungs against the horizon. */
void esp_check_study(struct reader *r);
/* Of it the rungs alone. */
void esp_check_rungs(struct reader *r);

#endif
