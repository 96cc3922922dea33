/* The settings of the built-in trainer: everything that defines one training.
 *
 * A plain value. Each member has a row in `esp_trainer_fields`, which drives the reader of the
 * study file, the wire codec, the hash of the settings, the check of searched parameters, and
 * the reference that `espalier settings` prints. trial/config/ implements this for both sides:
 * the controller reads and searches settings, a trial process trains with them. */
#ifndef ESPALIER_TRAINER_H
#define ESPALIER_TRAINER_H

#include <espalier/corpus.h>
#include <espalier/error.h>
#include <espalier/limits.h>
#include <stddef.h>
#include <stdint.h>

/* The largest seed: settings are doubles in the study file, which hold it exactly. A seed is
 * reduced with a bitwise and. */
#define ESP_SEED_MAX ((INT64_C(1) << 53) - 1)

enum esp_objective {
    ESP_OBJECTIVE_CAUSAL,
    ESP_OBJECTIVE_MASKED,
};

enum esp_activation {
    ESP_ACTIVATION_GELU,
    ESP_ACTIVATION_GELU_TANH,
};

enum esp_schedule_type {
    ESP_SCHEDULE_COSINE,
    ESP_SCHEDULE_LINEAR,
    ESP_SCHEDULE_WSD,
    ESP_SCHEDULE_CONSTANT,
    ESP_SCHEDULE_INVERSE_SQRT,
};

enum esp_optimizer {
    ESP_OPTIMIZER_ADAMW,
    ESP_OPTIMIZER_SGD,
};

enum esp_precision {
    ESP_PRECISION_AUTO,
    ESP_PRECISION_FP32,
    ESP_PRECISION_TF32,
    ESP_PRECISION_BF16,
    ESP_PRECISION_FP16,
};

enum esp_recompute {
    ESP_RECOMPUTE_NONE,
    ESP_RECOMPUTE_GELU_NORM,
    ESP_RECOMPUTE_BLOCK,
};

struct esp_trainer {
    /* A text file, a glob, or token shards (nanoGPT, llm.c); made absolute when a study is
     * read. */
    char data[ESP_PATH_MAX];
    int64_t dtype;                /* enum esp_corpus_dtype, of shards without a header */
    char init_from[ESP_PATH_MAX]; /* weights to start from (checkpoint, safetensors, llm.c) or
                                     "" */

    /* The model: settings that change the shapes of its tensors. */
    int64_t layers;
    int64_t width;
    int64_t heads;
    int64_t context;    /* tokens of a sequence */
    int64_t vocabulary; /* number of tokens; 0: that of the data (256 for text) */
    int64_t activation; /* enum esp_activation */
    int64_t objective;  /* enum esp_objective */

    /* The horizon and the learning-rate schedule. */
    int64_t tokens;    /* length of a complete training, the horizon of every trial */
    int64_t schedule;  /* enum esp_schedule_type */
    double warmup;     /* share of all steps in which the rate rises linearly from 0 */
    double decay;      /* wsd: last share of the steps after the warm-up, linear to the floor */
    double floor;      /* lowest rate, as a share of the peak learning rate */
    int64_t optimizer; /* enum esp_optimizer */
    int64_t precision; /* enum esp_precision */
    int64_t recompute; /* enum esp_recompute */
    int64_t micro_batch;       /* sequences per forward pass; 0: chosen by the trainer */
    int64_t report_every;      /* tokens between validation losses; 0: a 25th of the horizon */
    double checkpoint_seconds; /* age of the last checkpoint at which a report saves another */

    /* Settings that are usually searched. */
    double learning_rate;
    int64_t batch_size; /* sequences per update */
    double weight_decay;
    double beta1;
    double beta2;
    double epsilon;
    double momentum; /* sgd */
    double clip;     /* global gradient norm; 0: none */
    double dropout;
    int64_t seed;
};

enum esp_field_type {
    ESP_FIELD_INTEGER,
    ESP_FIELD_REAL,
    ESP_FIELD_PATH, /* char[ESP_PATH_MAX] */
    ESP_FIELD_ENUM, /* int64_t, an index into `names` */
};

/* Bits of struct esp_field.flags. */
#define ESP_FIELD_SEARCHABLE 1u /* may be a parameter of a study */
#define ESP_FIELD_SHAPE 2u      /* trials that differ in it cannot share a group of members */
#define ESP_FIELD_REQUIRED 4u   /* no default (data, tokens) */

struct esp_field {
    const char *name; /* in the study file; nested ones with a dot: "model.layers" */
    enum esp_field_type type;
    unsigned flags;
    size_t offset;             /* into struct esp_trainer */
    double min, max;           /* inclusive, for INTEGER and REAL */
    double fallback;           /* the default, or the index of the default word */
    const char *fallback_text; /* what the default means; NULL: it speaks for itself */
    const char *const *names;  /* ENUM: NULL-terminated words */
    const char *unit;          /* "tokens"; NULL: a plain number or a word */
    const char *meaning;       /* one sentence, without a full stop */
    const char *example;       /* PATH: a value; NULL: the default is one */
};

extern const struct esp_field esp_trainer_fields[];
extern const size_t esp_trainer_field_count;

/* A value of a parameter or setting, in memory and in messages. Text is borrowed. */
enum esp_value_type {
    ESP_VALUE_REAL,
    ESP_VALUE_INTEGER,
    ESP_VALUE_BOOLEAN,
    ESP_VALUE_TEXT,
};

struct esp_value {
    enum esp_value_type type;
    double real; /* REAL; for INTEGER and BOOLEAN the same number (exact below 2^53) */
    int64_t integer;
    const char *text;
};

struct esp_setting {
    const char *name;
    struct esp_value value;
};

/* Sets every member to its default. */
void esp_trainer_init(struct esp_trainer *trainer);

/* The field of that name, or NULL. A nested field is also found by its last part: "warmup" for
 * "schedule.warmup", and "schedule" for "schedule.type". */
const struct esp_field *esp_trainer_field(const char *name);

/* Sets one field. -ENOENT: there is no such field (the error suggests the most similar name);
 * -EINVAL: wrong type, not finite, or out of [min, max]. The trainer is unchanged on failure.
 */
int esp_trainer_set(struct esp_trainer *trainer,
                    const char *name,
                    const struct esp_value *value,
                    struct esp_error *error);

/* The value of one field; text points into the trainer or the table. */
struct esp_value esp_trainer_get(const struct esp_trainer *trainer,
                                 const struct esp_field *field);

/* Checks fields against each other: width divisible by heads, a horizon of at least one step, a
 * warm-up that leaves steps after it. For the settings of one trial, after its parameters were
 * set. -EINVAL. */
int esp_trainer_validate(const struct esp_trainer *trainer, struct esp_error *error);

/* Number of steps, ⌊tokens / (batch_size · context)⌋, and the horizon in tokens,
 * steps · batch_size · context. */
int64_t esp_trainer_steps(const struct esp_trainer *trainer);
int64_t esp_trainer_horizon_tokens(const struct esp_trainer *trainer);

/* A hash (XXH3) of all fields that affect the numbers of a training: every one but
 * report_every, checkpoint_seconds and micro_batch. */
uint64_t esp_trainer_hash(const struct esp_trainer *trainer);

/* A hash of the fields that trials in one process must share: those that change shapes,
 * precision, optimizer, recompute and data. */
uint64_t esp_trainer_group(const struct esp_trainer *trainer);

#endif
