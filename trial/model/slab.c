/* A member's slabs from outside: fresh weights, reading and writing for checkpoints. */
#include "internal.h"
#include "normal.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* Elements converted at a time: 256 KiB of doubles on the stack, so that a device is not given
 * thousands of small copies. Even, so that pairs of normal draws are not split. */
#define PART 32768

/* GPT-2's deviation of fresh weights (Radford et al. 2019, section 2.3; nanoGPT). */
#define INIT_DEVIATION 0.02

static void *slab_address(const struct esp_model *model,
                          int member,
                          enum esp_model_slab slab,
                          int64_t element)
{
    const struct esp_view view = model->plan.slab[slab];
    const int64_t at = member * view.stride + element;
    return (char *)view.data + (size_t)at * model->kernels->real_bytes;
}

/* The rounded copy of parameters that have just been written. */
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

static int put_floats(struct esp_model *model,
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

static int put_part(struct esp_model *model,
                    int member,
                    enum esp_model_slab slab,
                    int64_t element,
                    const double *in,
                    int64_t count)
{
    const struct esp_kernels *k = model->kernels;
    assert(count <= PART);
    if (k->real_bytes == sizeof(double)) {
        void *place = slab_address(model, member, slab, element);
        return k->upload(k, place, in, (size_t)count * sizeof(double));
    }
    float narrow[PART];
    for (int64_t i = 0; i < count; i++) {
        narrow[i] = (float)in[i];
    }
    return put_floats(model, member, slab, element, narrow, count);
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
    assert(count <= PART);
    if (k->real_bytes == sizeof(double)) {
        return k->download(k, out, place, (size_t)count * sizeof(double));
    }
    float narrow[PART];
    int rc = k->download(k, narrow, place, (size_t)count * sizeof(float));
    for (int64_t i = 0; !rc && i < count; i++) {
        out[i] = narrow[i];
    }
    return rc;
}

/* The deviation of a matrix's fresh elements. */
static double fresh_deviation(const struct esp_model *model, const struct esp_model_tensor *t)
{
    const bool into_stream = strstr(t->name, ".c_proj.") != NULL;
    return into_stream ? INIT_DEVIATION / sqrt(2.0 * model->shape.layers) : INIT_DEVIATION;
}

/* Elements first … first + count − 1 of a fresh tensor, to the device. */
static int put_fresh(struct esp_model *model,
                     int member,
                     int tensor,
                     uint64_t seed,
                     int64_t first,
                     int64_t count)
{
    const struct esp_model_tensor *t = &model->tensors[tensor];
    const struct esp_normal_tensor normal = {
        .seed = seed, .tensor = (uint64_t)tensor, .deviation = fresh_deviation(model, t)};
    const int64_t at = t->slab_offset + first;
    double wide[PART];
    float narrow[PART];
    if (t->rank > 1 && model->kernels->real_bytes == sizeof(float)) {
        esp_normal_floats(&normal, first, count, narrow);
        return put_floats(model, member, ESP_MODEL_PARAMETERS, at, narrow, count);
    }
    if (t->rank > 1) {
        esp_normal_doubles(&normal, first, count, wide);
    } else {
        const bool weight = strstr(t->name, "ln_") && strstr(t->name, ".weight");
        for (int64_t i = 0; i < count; i++) {
            wide[i] = weight ? 1 : 0;
        }
    }
    return put_part(model, member, ESP_MODEL_PARAMETERS, at, wide, count);
}

static void zero_slab(struct esp_model *model, int member, enum esp_model_slab slab)
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

static int put_scale(struct esp_model *model, int member, struct esp_loss_scale scale)
{
    const struct esp_kernels *k = model->kernels;
    return k->upload(k, model->plan.scale + member, &scale, sizeof scale);
}

int esp_model_init_member(struct esp_model *model,
                          int member,
                          uint64_t seed,
                          struct esp_error *error)
{
    const struct esp_kernels *k = model->kernels;
    int rc = 0;
    assert(member >= 0 && member < model->members);
    for (int slab = 0; slab < SLABS; slab++) {
        zero_slab(model, member, (enum esp_model_slab)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += PART) {
            const int64_t some = t->count - at < PART ? t->count - at : PART;
            rc = put_fresh(model, member, i, seed, at, some);
        }
    }
    esp_model_zero_gradients(model, member);
    k->zero(k, model->plan.result + member, sizeof *model->plan.result);
    k->zero(k, model->plan.halted + member, sizeof *model->plan.halted);
    if (model->plan.scale && !rc) {
        rc = put_scale(model, member, (struct esp_loss_scale){.scale = ESP_LOSS_SCALE_START});
    }
    return rc ? esp_error_set(error, rc, "backend %s failed to take fresh weights", k->name)
              : 0;
}

void esp_model_zero_gradients(struct esp_model *model, int member)
{
    const struct esp_kernels *k = model->kernels;
    assert(member >= 0 && member < model->members);
    zero_slab(model, member, ESP_MODEL_GRADIENTS);
    k->zero(k, model->plan.train_loss + member, sizeof *model->plan.train_loss);
}

/* One of the two is NULL: the other receives or gives all elements in packed order. */
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
    double part[PART];
    int rc = 0;
    assert(member >= 0 && member < model->members);
    if (!model->plan.slab[slab].data) {
        return esp_error_set(error, -ENOENT, "this model has no slab %d", (int)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += PART) {
            const int64_t some = t->count - at < PART ? t->count - at : PART;
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
    double part[PART];
    int rc = 0;
    assert(member >= 0 && member < model->members);
    if (!model->plan.slab[slab].data) {
        return esp_error_set(error, -ENOENT, "this model has no slab %d", (int)slab);
    }
    for (int i = 0; i < model->tensor_count && !rc; i++) {
        const struct esp_model_tensor *t = &model->tensors[i];
        for (int64_t at = 0; at < t->count && !rc; at += PART) {
            const int64_t some = t->count - at < PART ? t->count - at : PART;
            for (int64_t j = 0; j < some; j++) {
                const int64_t from = t->offset + at + j;
                part[j] = wide ? wide[from] : (double)narrow[from];
            }
            rc = put_part(model, member, slab, t->slab_offset + at, part, some);
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
    rc = put_scale(model, member, scale);
    return rc ? esp_error_set(
                    error, rc, "backend %s failed to take a loss scale", model->kernels->name)
              : 0;
}
