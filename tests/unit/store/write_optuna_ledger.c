/* Writes a ledger with every state, distribution and kind of value that Optuna can express:
 *   write_optuna_ledger DIR minimize|maximize
 * tests/peers/optuna_reads_ledger.py holds the expected contents. */
#include "../../../controller/store/store.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIALS 8
#define HORIZON 4096

static struct esp_value choices[] = {{ESP_VALUE_INTEGER, 8, 8, NULL},
                                     {ESP_VALUE_TEXT, 0, 0, "big \"one\""},
                                     {ESP_VALUE_BOOLEAN, 1, 1, NULL},
                                     {ESP_VALUE_REAL, 0.5, 0, NULL}};
static struct esp_value constant[] = {{ESP_VALUE_INTEGER, 3, 3, NULL}};

static void set_up(struct esp_study *study, bool maximize)
{
    const struct esp_param params[] = {
        {.name = "learning_rate",
         .distribution = ESP_LOG_UNIFORM_VALUES,
         .min = 1e-5,
         .max = 0.1},
        {.name = "layers",
         .distribution = ESP_INT_UNIFORM,
         .integral = true,
         .min = 1,
         .max = 9},
        {.name = "dropout",
         .distribution = ESP_UNIFORM,
         .quantised = true,
         .q = 0.1,
         .min = 0,
         .max = 1},
        {.name = "kind",
         .distribution = ESP_CATEGORICAL,
         .choices = choices,
         .choice_count = 4},
        {.name = "fixed", .distribution = ESP_CONSTANT, .choices = constant, .choice_count = 1},
        {.name = "decay", .distribution = ESP_NORMAL, .mu = 0, .sigma = 1},
        {.name = "scale", .distribution = ESP_LOG_UNIFORM, .min = -3, .max = 0},
    };
    strcpy(study->name, "optuna reads this");
    strcpy(study->metric, "val_loss");
    study->source = (char *)"";
    study->maximize = maximize;
    /* One ledger of each kind: a grid's points end before max. */
    study->method = maximize ? ESP_METHOD_GRID : ESP_METHOD_RANDOM;
    study->param_count = sizeof params / sizeof params[0];
    memcpy(study->params, params, sizeof params);
}

struct writer {
    struct esp_store *store;
    struct esp_error error;
};

static void put(struct writer *writer, struct esp_event event)
{
    event.seq = esp_store_seq(writer->store) + 1;
    event.time_ms = 1700000000123 + (int64_t)event.seq * 1000;
    if (esp_store_append(writer->store, &event, 1, &writer->error) < 0) {
        fprintf(stderr, "%s\n", writer->error.text);
        exit(1);
    }
}

static void create(struct writer *writer, const struct esp_study *study, int64_t trial)
{
    const double values[] = {1e-4 * (double)(trial + 1),
                             (double)(trial % 9) + 1,
                             esp_param_draw(&study->params[2], 0.1 * (double)trial),
                             (double)(trial % 4),
                             0,
                             -0.5,
                             0.0625};
    put(writer,
        (struct esp_event){
            .kind = ESP_EVENT_CREATED,
            .trial = trial,
            .created = {.horizon = HORIZON, .repeats = -1, .values = {values, 7}}});
}

static void
move(struct writer *writer, int64_t trial, enum esp_trigger trigger, enum esp_trial_state to)
{
    put(writer,
        (struct esp_event){.kind = ESP_EVENT_MOVED,
                           .trial = trial,
                           .attempt = 1,
                           .moved = {.trigger = trigger, .to = to}});
}

static void report(struct writer *writer, int64_t trial, int64_t step, double value)
{
    put(writer,
        (struct esp_event){
            .kind = ESP_EVENT_REPORT,
            .trial = trial,
            .attempt = 1,
            .report.point = {.step = step, .tokens = step * 1024, .value = value}});
}

static void run(struct writer *writer, int64_t trial, int steps, double last)
{
    move(writer, trial, ESP_TRIGGER_GRANT, ESP_TRIAL_ASSIGNED);
    move(writer, trial, ESP_TRIGGER_STARTED, ESP_TRIAL_RUNNING);
    for (int step = 1; step <= steps; step++) {
        report(writer, trial, step, step == steps ? last : 5.0 - step);
    }
}

int main(int argc, char **argv)
{
    static struct esp_study study;
    struct esp_store_origin origin = {.base = "/"};
    struct writer writer = {0};
    int lock;
    if (argc != 3) {
        fprintf(stderr, "usage: write_optuna_ledger DIR minimize|maximize\n");
        return 2;
    }
    set_up(&study, strcmp(argv[2], "maximize") == 0);
    if (esp_store_lock(argv[1], &lock, &writer.error) < 0 ||
        esp_store_create(argv[1], &study, &origin, NULL, &writer.store, &writer.error) < 0) {
        fprintf(stderr, "%s\n", writer.error.text);
        return 1;
    }
    for (int64_t trial = 0; trial < TRIALS; trial++) {
        create(&writer, &study, trial);
    }
    run(&writer, 0, 4, 2.5);
    move(&writer, 0, ESP_TRIGGER_RELEASED, ESP_TRIAL_COMPLETE);
    run(&writer, 1, 4, 2.25);
    move(&writer, 1, ESP_TRIGGER_RELEASED, ESP_TRIAL_COMPLETE);
    run(&writer, 2, 2, 4.5);
    move(&writer, 2, ESP_TRIGGER_PRUNE, ESP_TRIAL_PRUNED);
    run(&writer, 3, 2, 3.5);
    move(&writer, 3, ESP_TRIGGER_PAUSE, ESP_TRIAL_PAUSED);
    run(&writer, 4, 2, NAN);
    move(&writer, 4, ESP_TRIGGER_DIVERGED, ESP_TRIAL_PRUNED);
    run(&writer, 5, 1, INFINITY);
    run(&writer, 6, 0, 0);
    move(&writer, 6, ESP_TRIGGER_ERROR, ESP_TRIAL_FAILED);
    if (esp_store_commit(writer.store, &writer.error) < 0) {
        fprintf(stderr, "%s\n", writer.error.text);
        return 1;
    }
    esp_store_close(writer.store);
    return 0;
}
