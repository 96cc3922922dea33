#include "posterior.h"

#include <math.h>

/* What a posterior is made from. */
struct inputs {
    const struct esp_loss_curves *curves;
    const struct esp_mean_functions *means;
    const struct esp_hyperparameters *hyper;
    double w[ESP_POINTS_MAX]; /* the losses, one per point */
};

void esp_posterior_release(struct esp_posterior *p)
{
    esp_training_points_release(&p->data);
    esp_gaussian_process_release(&p->process);
}

void esp_posterior_predict(const struct esp_posterior *p,
                           const struct esp_query *queries,
                           int count,
                           struct esp_prediction_w *out)
{
    esp_gaussian_process_predict(&p->process, p->incumbent, queries, count, out);
}

/* The scale of the losses, from the last one of each trial, and the losses in it. */
static void scale_losses(struct esp_posterior *p, struct inputs *in)
{
    double z[ESP_POINTS_MAX];
    int count = 0;
    for (int i = 0; i < p->data.place_count; i++) {
        if (isfinite(p->data.points[i].z)) {
            z[count++] = p->data.points[i].z;
        }
    }
    esp_loss_scale_make(&p->scale, z, count, esp_scaling_law_is_known(&in->means->law));
    for (int i = 0; i < p->data.count; i++) {
        in->w[i] = esp_compress((p->data.points[i].z - p->scale.best) / p->scale.scale);
    }
}

static int condition(struct esp_posterior *p, const struct inputs *in)
{
    struct esp_mean_units units = esp_mean_units_make(in->means, &p->scale);
    return esp_gaussian_process_condition(
        &p->process, &p->data, in->w, in->means, &units, in->hyper, &in->curves->space);
}

static void choose_incumbent(struct esp_posterior *p, const struct inputs *in)
{
    const struct esp_training_points *data = &p->data;
    p->incumbent = INFINITY;
    for (int i = 0; i < data->count; i++) {
        if (data->points[i].h == 0 && data->points[i].trial != ESP_NO_TRIAL) {
            p->incumbent = fmin(p->incumbent, in->w[i]);
        }
    }
    if (isfinite(p->incumbent) && p->incumbent < ESP_W_MAX) {
        return;
    }
    p->incumbent = INFINITY;
    struct esp_query queries[ESP_ACTIVE_MAX];
    struct esp_prediction_w predictions[ESP_ACTIVE_MAX];
    for (int i = 0; i < data->place_count; i++) {
        queries[i] =
            (struct esp_query){.x = &data->x[i * data->axes], .trial = data->points[i].trial};
    }
    esp_posterior_predict(p, queries, data->place_count, predictions);
    for (int i = 0; i < data->place_count; i++) {
        p->incumbent = fmin(p->incumbent, predictions[i].mean);
    }
    p->incumbent = isfinite(p->incumbent) ? p->incumbent : 0;
}

/* Adds trials without a report, the youngest first, each with its predicted loss. */
static int add_pending(struct esp_posterior *p, struct inputs *in)
{
    const struct esp_loss_ranking *unreported = &in->curves->unreported;
    uint32_t pending = esp_loss_ranking_count(unreported);
    int rc = 0;
    for (uint32_t r = 1; r <= pending && r <= ESP_PENDING_MAX && rc == 0; r++) {
        uint32_t trial = esp_loss_ranking_at(unreported, pending + 1 - r).trial;
        struct esp_query query = {.x = esp_loss_curves_place(in->curves, trial),
                                  .trial = ESP_NO_TRIAL};
        struct esp_prediction_w prediction;
        int index = p->data.count;
        esp_posterior_predict(p, &query, 1, &prediction);
        if (!esp_training_points_assume(&p->data, query.x)) {
            break;
        }
        in->w[index] = prediction.mean;
        rc = condition(p, in);
    }
    return rc;
}

int esp_posterior_make(struct esp_posterior *p,
                       const struct esp_loss_curves *curves,
                       const struct esp_mean_functions *means,
                       const struct esp_hyperparameters *hyper,
                       int limit,
                       bool pending)
{
    struct inputs in = {.curves = curves, .means = means, .hyper = hyper};
    int rc = esp_training_points_choose(&p->data, curves, limit);
    if (rc < 0) {
        return rc;
    }
    scale_losses(p, &in);
    rc = condition(p, &in);
    if (rc == 0) {
        choose_incumbent(p, &in);
        if (pending) {
            rc = add_pending(p, &in);
        }
    }
    return rc;
}
