/* Shared by the files that read a study. */
#ifndef CONTROLLER_STUDY_READER_H
#define CONTROLLER_STUDY_READER_H

#include "study.h"

#include <espalier/study_section.h>
#include <espalier/yaml.h>

/* The readers take keys out of the file by their rows alone. */
#pragma GCC poison esp_yaml_get esp_yaml_get_key esp_yaml_check_keys

/* Rows of esp_trainer_fields; a test checks it. */
#define READER_FIELDS_MAX 64
#define READER_WARNING_MAX 2048

struct reader {
    struct esp_yaml *yaml;
    const struct esp_yaml_node *root;
    const char *base_dir;
    struct esp_study *study;
    const struct esp_yaml_node *trainer; /* value of `trainer`; NULL: a program of the user */
    const struct esp_yaml_node *trainer_nodes[READER_FIELDS_MAX];
    const struct esp_yaml_node *param_nodes[ESP_PARAMS_MAX]; /* value of each parameter */
    const struct esp_stopping_section *stopping; /* while `early_terminate` is read */
    bool parameters_good;                        /* `parameters` has no fault */
    bool stopping_good;                          /* `early_terminate` has no fault */
    bool out_of_memory;
    char warning[READER_WARNING_MAX];
};

/* Appends to the warning, after "; " where it is not empty. */
__attribute__((format(printf, 2, 3))) void
esp_reader_warn(struct reader *r, const char *format, ...);

/* Each reads one key of the top level into the study and adds faults to the document. They must
 * be called in this order. */
void esp_read_parameters(struct reader *r);
void esp_read_metric(struct reader *r);
void esp_read_prior(struct reader *r);
void esp_read_stopping(struct reader *r);
void esp_read_budget(struct reader *r);
void esp_read_command(struct reader *r);

/* Reads the distribution of a parameter. `param` is zero except for its name and place. False
 * after a fault. */
bool esp_read_distribution(struct reader *r,
                           const struct esp_yaml_node *node,
                           struct esp_param *param);

/* Checks the study as a whole: parameters against the trainer's fields, the grid, the steps of
 * a trial, rungs against the horizon. */
void esp_check_study(struct reader *r);
/* After the checks, which find the nodes of values by their place in the file: keeps one of
 * equal values of each choice. */
void esp_merge_equal_values(struct reader *r);
/* Warns of whole numbers that YAML 1.1 and 1.2 read differently. */
void esp_warn_yaml_versions(struct reader *r);
/* Checks only the rungs. */
void esp_check_rungs(struct reader *r);

#endif
