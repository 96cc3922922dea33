/* Loss curves compared with PyTorch's: tests/golden/parity.csv holds five settings × three
 * seeds, trained in float32 on tinyshakespeare with the trainer's defaults and validation
 * windows.
 *
 * usage: [ESPALIER_PARITY=all] test_trial_parity PARITY.csv TEXT
 *
 * all: the mean over the three seeds must be within 0.02 nats of PyTorch's at the horizon, and
 * within 0.05 at every recorded point after the first tenth. one: one seed of one setting, for
 * daily use. PyTorch's seeds have σ ≈ 0.006 at the horizon and 0.02 before, so a single one
 * must be within 0.04 and 0.1 of their mean. Skipped (77) when the text is missing. */
#include "../../../trial/group.h"
#include <espalier/kernels.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS 3
#define POINTS 26 /* step 0 and 25 more */
#define SETTINGS_MAX 8
#define SKIPPED 77

struct setting {
    double learning_rate;
    int64_t batch_size;
    int64_t tokens[POINTS];
    double val_loss[POINTS]; /* sum over seeds, then the mean */
    int rows[SEEDS];
};

static struct setting settings[SETTINGS_MAX];
static int setting_count;

static struct setting *setting_of(double learning_rate, int64_t batch_size)
{
    for (int i = 0; i < setting_count; i++) {
        if (settings[i].learning_rate == learning_rate &&
            settings[i].batch_size == batch_size) {
            return &settings[i];
        }
    }
    if (setting_count == SETTINGS_MAX) {
        return NULL;
    }
    settings[setting_count] =
        (struct setting){.learning_rate = learning_rate, .batch_size = batch_size};
    return &settings[setting_count++];
}

/* learning_rate,batch_size,seed,tokens,step,train_loss,val_loss; train_loss is empty at step 0.
 */
static int read_golden(const char *path)
{
    char line[256];
    FILE *f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f)) {
        fprintf(stderr, "cannot read %s\n", path);
        return 1;
    }
    while (fgets(line, sizeof line, f)) {
        double learning_rate, val_loss;
        int64_t batch_size, tokens;
        int seed;
        const char *last = strrchr(line, ',');
        if (sscanf(line,
                   "%lf,%" SCNd64 ",%d,%" SCNd64,
                   &learning_rate,
                   &batch_size,
                   &seed,
                   &tokens) != 4 ||
            !last || sscanf(last, ",%lf", &val_loss) != 1 || seed < 0 || seed >= SEEDS) {
            fprintf(stderr, "%s: malformed: %s", path, line);
            return 1;
        }
        struct setting *s = setting_of(learning_rate, batch_size);
        if (!s || s->rows[seed] == POINTS) {
            fprintf(stderr, "%s: too many rows\n", path);
            return 1;
        }
        int row = s->rows[seed]++;
        s->tokens[row] = tokens;
        s->val_loss[row] += val_loss / SEEDS;
    }
    fclose(f);
    return 0;
}

/* Adds this seed's curve to `val_loss`. */
static int train(const struct esp_kernels *kernels,
                 const char *text,
                 const struct setting *s,
                 int seed,
                 double val_loss[POINTS],
                 int64_t tokens[POINTS])
{
    struct esp_trainer t;
    struct esp_group *group = NULL;
    struct esp_group_event event;
    struct esp_error error = {""};
    int count, points = 0;

    esp_trainer_init(&t);
    snprintf(t.data, sizeof t.data, "%s", text);
    t.layers = 3;
    t.width = 96;
    t.heads = 3;
    t.context = 64;
    t.tokens = 1000000;
    t.learning_rate = s->learning_rate;
    t.batch_size = s->batch_size;
    t.seed = seed;
    int rc = esp_group_create(kernels, &t, 1, &group, &error);
    if (rc == 0) {
        rc = esp_group_join(group, 0, &t, NULL, &error);
    }
    while (rc == 0) {
        rc = esp_group_step(group, &event, &count, &error);
        if (rc == 0 && count == 1 && (event.what & ESP_GROUP_REPORT) && points < POINTS) {
            tokens[points] = event.point.tokens;
            val_loss[points++] += event.point.val_loss;
        }
    }
    esp_group_destroy(group);
    if (rc < 0 || points != POINTS) {
        fprintf(stderr, "training failed after %d reports: %s\n", points, error.text);
        return 1;
    }
    return 0;
}

/* The largest distances after the first tenth and at the horizon. */
static int compare(const struct setting *s,
                   const double val_loss[POINTS],
                   const int64_t tokens[POINTS],
                   double bound_end,
                   double bound_path)
{
    double worst = 0;
    for (int i = 0; i < POINTS; i++) {
        if (tokens[i] != s->tokens[i]) {
            fprintf(stderr,
                    "point %d is at %" PRId64 " tokens, not %" PRId64 "\n",
                    i,
                    tokens[i],
                    s->tokens[i]);
            return 1;
        }
        double distance = fabs(val_loss[i] - s->val_loss[i]);
        if (10 * tokens[i] > s->tokens[POINTS - 1] && !(distance <= worst)) {
            worst = distance;
        }
    }
    double end = fabs(val_loss[POINTS - 1] - s->val_loss[POINTS - 1]);
    bool good = end <= bound_end && worst <= bound_path;
    printf("learning_rate %g batch_size %" PRId64
           ": horizon %.4f, PyTorch's %.4f, difference %.4f "
           "(allowed %g); largest difference before %.4f (allowed %g)%s\n",
           s->learning_rate,
           s->batch_size,
           val_loss[POINTS - 1],
           s->val_loss[POINTS - 1],
           end,
           bound_end,
           worst,
           bound_path,
           good ? "" : ": TOO FAR");
    fflush(stdout);
    return !good;
}

int main(int argc, char **argv)
{
    struct esp_kernels *kernels = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: %s PARITY.csv TEXT\n", argv[0]);
        return 2;
    }
    if (access(argv[2], R_OK) != 0) {
        printf("skipped: %s is missing\n", argv[2]);
        return SKIPPED;
    }
    const char *how = getenv("ESPALIER_PARITY");
    bool all = how && strcmp(how, "all") == 0;
    int failures = read_golden(argv[1]);
    if (failures || esp_kernels_open_cpu(&kernels, NULL) != 0) {
        return 1;
    }
    int seeds = all ? SEEDS : 1;
    for (int i = 0; i < (all ? setting_count : 1); i++) {
        double val_loss[POINTS] = {0};
        int64_t tokens[POINTS];
        int failed = 0;
        for (int seed = 0; seed < seeds && !failed; seed++) {
            failed = train(kernels, argv[2], &settings[i], seed, val_loss, tokens);
        }
        for (int p = 0; p < POINTS; p++) {
            val_loss[p] /= seeds;
        }
        failures +=
            failed ||
            compare(&settings[i], val_loss, tokens, all ? 0.02 : 0.04, all ? 0.05 : 0.1);
    }
    esp_kernels_close(kernels);
    return failures != 0;
}
