/* Reading and writing a member's slabs from host memory. */
#include "internal.h"

#include <assert.h>
#include <errno.h>

static void *slab_address(const struct esp_model *model,
                          int member,
                          enum esp_model_slab slab,
                          int64_t element)
{
    const struct esp_view view = model->plan.slab[slab];
    const int64_t at = member * view.stride + element;
    return (char *)view.data + (size_t)at * model->kernels->real_bytes;
}

/* Updates the rounded copy after parameters were written. */
static void narrow_part(struct esp_model *model, int member, int64_t element, int64_t count)
{
    const struct esp_kernels *k = model->kernels;
    const struct esp_view view = model->plan.narrow;
    if (view.data) {
        const int64_t at = member * view.stride + element;
        k->narrow(k,
                  (char *)view.data + (size_t)at * k->activation_bytes,
                  slab_address(model, member, ESP_MODEL_PARAMETERS, element),
                  count);
    }
}

int esp_model_put_floats(struct esp_model *model,
                         int member,
                         enum esp_model_slab slab,
                         int64_t element,
                         const float *in,
                         int64_t count)
{
    const struct esp_kernels *k = model->kernels;
    void *place = slab_address(model, member, slab, element);
    const int rc = k->upload(k, place, in, (size_t)count * sizeof(float));
    if (rc == 0 && slab == ESP_MODEL_PARAMETERS) {
        narrow_part(model, member, element, count);
    }
    return rc;
}

int esp_model_put_doubles(struct esp_model *model,
                          int member,
                          enum esp_model_slab slab,
                          int64_t element,
                          const double *in,
                          int64_t count)
{
    const struct esp_kernels *k = model->kernels;
    assert(count <= SLAB_PART);
    if (k->real_bytes == sizeof(double)) {
        void *place = slab_address(model, member, slab, element);
        return k->upload(k, place, in, (size_t)count * sizeof(double));
    }
    float narrow[SLAB_PART];
    for (int64_t i = 0; i < count; i++) {
        narrow[i] = (float)in[i];
    }
    return esp_model_put_floats(model, member, slab, element, narrow, count);
}

static int get_part(struct esp_model *model,
                    int member,
                    enum esp_model_slab slab,
                    int64_t element,
                    double *out,
                    int64_t count)
{
    const struct esp_kernels *k = model->kernels;
    const void *place = slab_address(model, member, slab, element);
    assert(count <= SLAB_PART);
    if (k->real_bytes == sizeof(double)) {
        return k->download(k, out, place, (size_t)count * sizeof(double));
    }
    float narrow[SLAB_PART];
    int rc = k->download(k, narrow, place, (size_t)count * sizeof(float));
    for (int64_t i = 0; !rc && i < count; i++) {
        out[i] = narrow[i];
    }
    return rc;
}

void esp_model_zero_slab(struct esp_model *model, int member, enum esp_model_slab slab)
{
    const struct esp_kernels *k = model->kernels;
    if (model->plan.slab[slab].data) {
        k->zero(
            k, slab_address(model, member, slab, 0), (size_t)model->slab_count * k->real_bytes);
    }
    if (slab == ESP_MODEL_PARAMETERS) {
        narrow_part(model, member, 0, model->slab_count);
    }
}

int esp_model_put_scale(struct esp_model *model, int member, struct esp_loss_scale scale)
{
    const struct esp_kernels *k = model->kernels;
    return k->upload(k, model->plan.scale + member, &scale, sizeof scale);
}

/* Where all elements go, in packed order. One of the two is NULL. */
struct packed {
    float *narrow;
    double *wide;
};

static int read_slab(struct esp_model *model,
                     int member,
                     enum esp_model_slab slab,
                     struct packed to,
                     struct esp_error *error)
{
    double part[SLAB_PART];
    int rc = 0;
    assert(member >= 0 && member < model->members);
    if (!model->plan.slab[slab].data) {
        return esp_error_set(error, -ENOENT, "this model has no slab %d", (int)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += SLAB_PART) {
            const int64_t some = t->count - at < SLAB_PART ? t->count - at : SLAB_PART;
            rc = get_part(model, member, slab, t->slab_offset + at, part, some);
            for (int64_t j = 0; !rc && j < some; j++) {
                if (to.wide) {
                    to.wide[t->offset + at + j] = part[j];
                } else {
                    to.narrow[t->offset + at + j] = (float)part[j];
                }
            }
        }
    }
    return rc ? esp_error_set(
                    error, rc, "backend %s failed to give a slab", model->kernels->name)
              : 0;
}

static int write_slab(struct esp_model *model,
                      int member,
                      enum esp_model_slab slab,
                      const float *narrow,
                      const double *wide,
                      struct esp_error *error)
{
    double part[SLAB_PART];
    int rc = 0;
    assert(member >= 0 && member < model->members);
    if (!model->plan.slab[slab].data) {
        return esp_error_set(error, -ENOENT, "this model has no slab %d", (int)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += SLAB_PART) {
            const int64_t some = t->count - at < SLAB_PART ? t->count - at : SLAB_PART;
            for (int64_t j = 0; j < some; j++) {
                const int64_t from = t->offset + at + j;
                part[j] = wide ? wide[from] : (double)narrow[from];
            }
            rc = esp_model_put_doubles(model, member, slab, t->slab_offset + at, part, some);
        }
    }
    return rc ? esp_error_set(
                    error, rc, "backend %s failed to take a slab", model->kernels->name)
              : 0;
}

int esp_model_read(struct esp_model *model,
                   int member,
                   enum esp_model_slab slab,
                   float *out,
                   struct esp_error *error)
{
    return read_slab(model, member, slab, (struct packed){.narrow = out}, error);
}

int esp_model_write(struct esp_model *model,
                    int member,
                    enum esp_model_slab slab,
                    const float *in,
                    struct esp_error *error)
{
    return write_slab(model, member, slab, in, NULL, error);
}

int esp_model_read_f64(struct esp_model *model,
                       int member,
                       enum esp_model_slab slab,
                       double *out,
                       struct esp_error *error)
{
    return read_slab(model, member, slab, (struct packed){.wide = out}, error);
}

int esp_model_write_f64(struct esp_model *model,
                        int member,
                        enum esp_model_slab slab,
                        const double *in,
                        struct esp_error *error)
{
    return write_slab(model, member, slab, NULL, in, error);
}

static int check_scale(const struct esp_model *model, int member, struct esp_error *error)
{
    assert(member >= 0 && member < model->members);
    return model->plan.scale ? 0
                             : esp_error_set(error, -ENOENT, "this model has no loss scale");
}

int esp_model_read_scale(struct esp_model *model,
                         int member,
                         struct esp_model_scale *out,
                         struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    struct esp_loss_scale scale;
    int rc = check_scale(model, member, error);
    if (rc) {
        return rc;
    }
    rc = k->download(k, &scale, model->plan.scale + member, sizeof scale);
    if (rc) {
        return esp_error_set(error, rc, "backend %s failed to give a loss scale", k->name);
    }
    *out = (struct esp_model_scale){
        .scale = scale.scale, .clean = scale.clean, .overflowed = scale.overflowed};
    return 0;
}

int esp_model_write_scale(struct esp_model *model,
                          int member,
                          struct esp_model_scale in,
                          struct esp_error *error)
{
    int rc = check_scale(model, member, error);
    if (rc) {
        return rc;
    }
    const struct esp_loss_scale scale = {
        .scale = in.scale, .clean = in.clean, .overflowed = in.overflowed};
    rc = esp_model_put_scale(model, member, scale);
    return rc ? esp_error_set(
                    error, rc, "backend %s failed to take a loss scale", model->kernels->name)
              : 0;
}
