/* Conditioning the process on an active set of points (Rasmussen and Williams, algorithm 2.1),
 * for every mean at once: they share the factor.
 *
 * With K = L·Lᵀ over the points, r_m = w - mean_m(X), and one = 1:
 *   c_m = (1ᵀK⁻¹r)/(1ᵀK⁻¹1), the constant, integrated out over a flat prior
 *   q_m = r̃ᵀK⁻¹r̃ with r̃ = r - c
 *   log p_m = -½ log|K| - ½ log(1ᵀK⁻¹1) - (a + (n-1)/2)·log(b_m + q_m/2) + a·log b_m
 *   the process variance is (b_m + q_m/2)/(a + (n-1)/2 - ½)
 * (inverse gamma prior with shape a and scale b_m: the law's residual is small, the constant's
 * is as large as the spread of the losses). */
#include "normal.h"
#include "surrogate_private.h"

#include <assert.h>
#include <cblas.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

extern void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);

#define SHAPE 1.5
/* The residual of the law within one octave or two: 0.3 %. */
#define LAW_RESIDUAL_PERCENT 0.3
/* The constant mean's share of the prior weight when there is a law. */
#define CONSTANT_SHARE 0.02
#define CONSTANT_SHARE_GENERIC 0.3
#define GENERIC_RESIDUAL 0.4
/* How far a loss may lie from the first ones where only the constant is believed: 1 % beside
 * a law, the losses' spread without. */
#define CONSTANT_RESIDUAL 0.35
#define HALF_DEPTH_SHARE 0.3
/* Losses beyond this many scales are told apart by their logarithm only, and none is worse than
 * e^3 scales. */
#define WORST 4.0
/* The scale is the spread of the better half, but not less than this share of the best loss. */
#define SCALE_SHARE_MIN 0.02
#define LAW_SCALE_SHARE_MAX 0.03

double esp_compress(double e)
{
    if (isnan(e) || e > 1) {
        return isfinite(e) ? fmin(1 + log(e), WORST) : WORST;
    }
    return e;
}

void esp_posterior_release(struct esp_posterior *p)
{
    free(p->refs);
    free(p->x);
    free(p->factor);
    free(p->ones);
    for (int i = 0; i < ESP_MEANS_KEPT; i++) {
        free(p->part[i].alpha);
    }
    memset(p, 0, sizeof *p);
}

static double matern52(double squared)
{
    double r = sqrt(5 * squared);
    return (1 + r + r * r / 3) * exp(-r);
}

static double squared_distance(const struct esp_surrogate *s,
                               const double *inverse,
                               const double *x,
                               const double *y)
{
    double sum = 0;
    for (int a = 0; a < s->space.count; a++) {
        double d = s->space.axes[a].kind == ESP_AXIS_NOMINAL
                       ? (x[a] == y[a] ? 0 : 1) * inverse[a]
                       : (x[a] - y[a]) * inverse[a];
        sum += d * d;
    }
    return sum;
}

static void
inverse_lengths(const struct esp_surrogate *s, const struct esp_hyper *hyper, double *inverse)
{
    for (int a = 0; a < s->space.count; a++) {
        inverse[a] = exp(-hyper->length[a]);
    }
}

static double covariance(const struct esp_hyper *hyper, double m, double h, double g, bool same)
{
    double before = fmin(h, g), common = before * before;
    return m * (1 + exp(hyper->gain) * common) + (same ? exp(hyper->wander) * common : 0);
}

/* The active trials: all of them when they fit. Otherwise the best of every mark from the
 * horizon down, then an even sample of the rest, then some of the bad ones. */
static int choose_trials(const struct esp_surrogate *s, int limit, uint32_t *chosen)
{
    int count = 0;
    if (s->count <= (uint32_t)limit) {
        for (uint32_t i = 0; i < s->count; i++) {
            if (!isnan(s->trials[i].last) || s->trials[i].state == ESP_CURVE_BAD) {
                chosen[count++] = i;
            }
        }
        return count;
    }
    uint32_t taken[ESP_MARKS] = {0};
    int good = limit * 2 / 3;
    for (int k = ESP_MARKS - 1; k >= 0; k--) {
        uint32_t there = esp_loss_ranking_count(&s->at_mark[k]);
        uint32_t most = k == ESP_MARKS - 1 ? (uint32_t)limit / 3 : (uint32_t)limit / 8;
        while (taken[k] < there && taken[k] < most && count < good) {
            chosen[count++] = esp_loss_ranking_at(&s->at_mark[k], ++taken[k]).trial;
        }
    }
    uint32_t bad = esp_loss_ranking_count(&s->bad);
    uint32_t bad_most = (uint32_t)limit / 12;
    for (uint32_t i = 0; i < bad && i < bad_most && count < limit; i++) {
        uint32_t rank = 1 + (uint32_t)((uint64_t)i * bad / (bad < bad_most ? bad : bad_most));
        chosen[count++] = esp_loss_ranking_at(&s->bad, rank).trial;
    }
    uint32_t rest = 0;
    for (int k = 0; k < ESP_MARKS; k++) {
        rest += esp_loss_ranking_count(&s->at_mark[k]) - taken[k];
    }
    uint32_t wanted = (uint32_t)(limit - count) < rest ? (uint32_t)(limit - count) : rest;
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t at = (uint32_t)(((uint64_t)2 * i + 1) * rest / (2 * wanted));
        for (int k = ESP_MARKS - 1; k >= 0; k--) {
            uint32_t there = esp_loss_ranking_count(&s->at_mark[k]) - taken[k];
            if (at < there) {
                chosen[count++] = esp_loss_ranking_at(&s->at_mark[k], taken[k] + at + 1).trial;
                break;
            }
            at -= there;
        }
    }
    return count;
}

static void add_point(struct esp_posterior *p, uint32_t trial, int row, double h, double z)
{
    if (p->points < p->points_max) {
        p->refs[p->points++] = (struct esp_point_ref){trial, row, h, z};
    }
}

/* Every active trial's last loss; earlier marks of those that went far, in pairs of marks, so
 * that gains are learnt where they differ. */
static void choose_points(struct esp_posterior *p,
                          const struct esp_surrogate *s,
                          const uint32_t *chosen,
                          int count)
{
    int axes = s->space.count;
    for (int i = 0; i < count; i++) {
        const struct esp_curve *c = &s->trials[chosen[i]];
        memcpy(
            &p->x[i * axes], &s->places[chosen[i] * (size_t)axes], (size_t)axes * sizeof *p->x);
        bool bad = c->state == ESP_CURVE_BAD;
        double h = bad ? 0 : c->last_h;
        add_point(p,
                  chosen[i],
                  i,
                  h,
                  bad ? INFINITY : esp_surrogate_project(s, c->last, c->last_h, c->height));
    }
    p->places = count;
    for (int back = 3; back < ESP_MARKS; back += 3) {
        for (int i = 0; i < count; i++) {
            const struct esp_curve *c = &s->trials[chosen[i]];
            int mark = c->mark - back;
            if (c->state == ESP_CURVE_BAD || mark < 0 || isnan(c->loss[mark])) {
                continue;
            }
            add_point(p,
                      chosen[i],
                      i,
                      c->since[mark],
                      esp_surrogate_project(s, c->loss[mark], c->since[mark], c->height));
        }
    }
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Best and spread of the projected losses: what w is measured in. */
static void choose_scale(struct esp_posterior *p, const struct esp_surrogate *s)
{
    double z[ESP_POINTS_MAX];
    int count = 0;
    for (int i = 0; i < p->places; i++) {
        if (isfinite(p->refs[i].z)) {
            z[count++] = p->refs[i].z;
        }
    }
    qsort(z, (size_t)count, sizeof *z, by_number);
    p->best_z = count > 0 ? z[0] : 0;
    double spread = count > 1 ? z[count / 2] - z[0] : 0;
    double least = SCALE_SHARE_MIN * fabs(p->best_z);
    bool law = s->law.active && !s->law.generic;
    if (law && p->best_z > 0) {
        least = LAW_SCALE_SHARE_MAX * fabs(p->best_z);
        spread = fmin(spread, least);
    }
    p->scale = fmax(spread, fmax(least, 1e-12));
    p->law_unit = s->law.generic ? 1 : p->best_z > 0 ? 0.01 * p->best_z / p->scale : 0.2;
    p->law_residual = s->law.generic ? GENERIC_RESIDUAL : LAW_RESIDUAL_PERCENT * p->law_unit;
    p->constant_residual = law ? CONSTANT_RESIDUAL : 1;
    p->constant_share = law ? CONSTANT_SHARE : CONSTANT_SHARE_GENERIC;
}

static double mean_at(const struct esp_posterior *p,
                      const struct esp_surrogate *s,
                      int shift,
                      double depth,
                      const double *x)
{
    if (shift < 0) {
        return 0;
    }
    return esp_compress(depth * p->law_unit *
                        esp_scaling_law_rise(&s->law, x, s->shift[shift]));
}

struct scored {
    int shift;
    double depth, log_weight, constant, variance;
};

static int by_weight(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    return (x->log_weight < y->log_weight) - (x->log_weight > y->log_weight);
}

static int factorise(struct esp_posterior *p,
                     const struct esp_surrogate *s,
                     const struct esp_hyper *hyper,
                     double *log_determinant)
{
    int n = p->points, axes = s->space.count;
    double inverse[ESP_PARAMS_MAX];
    inverse_lengths(s, hyper, inverse);
    double *m = malloc(((size_t)p->places * (size_t)p->places + 1) * sizeof *m);
    if (!m) {
        return -ENOMEM;
    }
    for (int i = 0; i < p->places; i++) {
        for (int k = 0; k <= i; k++) {
            m[i * p->places + k] =
                matern52(squared_distance(s, inverse, &p->x[i * axes], &p->x[k * axes]));
        }
    }
    double noise = exp(hyper->noise) + 1e-8;
    for (int j = 0; j < n; j++) {
        for (int i = j; i < n; i++) {
            int a = p->refs[i].row, b = p->refs[j].row;
            double k = a > b ? m[a * p->places + b] : m[b * p->places + a];
            p->factor[j * n + i] =
                covariance(hyper, k, p->refs[i].h, p->refs[j].h, a == b) + (i == j ? noise : 0);
        }
    }
    free(m);
    int info = 0;
    if (n > 0) {
        dpotrf_("L", &n, p->factor, &n, &info);
    }
    if (info != 0) {
        return -EDOM;
    }
    *log_determinant = 0;
    for (int i = 0; i < n; i++) {
        *log_determinant += 2 * log(p->factor[i * n + i]);
    }
    return 0;
}

/* Weighs every mean by its evidence and keeps those that count. `w`: the data. */
static int weigh_means(struct esp_posterior *p,
                       const struct esp_surrogate *s,
                       const double *w,
                       double log_determinant)
{
    int n = p->points, total = s->law.active ? ESP_MEANS_MAX : 1;
    total = p->fixed > 0 ? p->fixed : total;
    struct scored *scored = malloc((size_t)total * sizeof *scored);
    double *r = malloc(((size_t)n * (size_t)total + 1) * sizeof *r);
    int rc = scored && r ? 0 : -ENOMEM;
    if (rc < 0) {
        goto out;
    }
    for (int t = 0; t < total; t++) {
        int shift = t == 0 ? -1 : (t - 1) % ESP_SHIFTS;
        double depth = t == 0 ? 0 : (t - 1) / ESP_SHIFTS == 0 ? 1.0 : 0.5;
        if (p->fixed > 0) {
            shift = p->fixed_shift[t];
            depth = p->fixed_depth[t];
        }
        scored[t] = (struct scored){.shift = shift, .depth = depth};
        for (int i = 0; i < n; i++) {
            r[t * n + i] =
                w[i] - mean_at(p, s, shift, depth, &p->x[p->refs[i].row * s->space.count]);
        }
    }
    for (int i = 0; i < n; i++) {
        p->ones[i] = 1;
    }
    if (n > 0) {
        cblas_dtrsm(CblasColMajor,
                    CblasLeft,
                    CblasLower,
                    CblasNoTrans,
                    CblasNonUnit,
                    n,
                    total,
                    1,
                    p->factor,
                    n,
                    r,
                    n);
        cblas_dtrsv(
            CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, p->factor, n, p->ones, 1);
    }
    p->ones_sum = fmax(cblas_ddot(n, p->ones, 1, p->ones, 1), 1e-12);
    double shape = SHAPE + 0.5 * (n > 1 ? n - 1 : 0), most = -INFINITY;
    for (int t = 0; t < total; t++) {
        struct scored *c = &scored[t];
        double *rt = &r[t * n];
        c->constant = n > 0 ? cblas_ddot(n, p->ones, 1, rt, 1) / p->ones_sum : 0;
        double q = cblas_ddot(n, rt, 1, rt, 1) - c->constant * c->constant * p->ones_sum;
        double prior_scale =
            SHAPE * pow(c->shift < 0 ? p->constant_residual : p->law_residual, 2);
        double scale = prior_scale + 0.5 * fmax(q, 0);
        double prior = 0;
        if (s->law.active) {
            prior = c->shift < 0
                        ? log(p->constant_share)
                        : log((1 - p->constant_share) *
                              (c->depth < 1 ? HALF_DEPTH_SHARE : 1 - HALF_DEPTH_SHARE)) +
                              s->shift_prior[c->shift];
        }
        c->log_weight = prior + SHAPE * log(prior_scale) - shape * log(scale);
        c->variance = scale / (shape - 0.5);
        most = fmax(most, c->log_weight);
    }
    double sum = 0, law = 0;
    for (int t = 0; t < total; t++) {
        double weight = exp(scored[t].log_weight - most);
        sum += weight;
        law += scored[t].shift >= 0 ? weight : 0;
    }
    p->law_weight = law / sum;
    p->evidence = most + log(sum) - 0.5 * log_determinant - 0.5 * log(p->ones_sum);
    qsort(scored, (size_t)total, sizeof *scored, by_weight);
    double kept = 0;
    p->parts = 0;
    while (p->parts < ESP_MEANS_KEPT && p->parts < total && kept < 0.995) {
        struct scored *c = &scored[p->parts];
        struct esp_mean_part *part = &p->part[p->parts];
        double *alpha = realloc(part->alpha, ((size_t)n + 1) * sizeof *alpha);
        if (!alpha) {
            rc = -ENOMEM;
            goto out;
        }
        *part = (struct esp_mean_part){.shift = c->shift,
                                       .depth = c->depth,
                                       .weight = exp(c->log_weight - most) / sum,
                                       .constant = c->constant,
                                       .variance = c->variance,
                                       .alpha = alpha};
        kept += part->weight;
        for (int i = 0; i < n; i++) {
            alpha[i] =
                w[i] - c->constant -
                mean_at(p, s, c->shift, c->depth, &p->x[p->refs[i].row * s->space.count]);
        }
        if (n > 0) {
            cblas_dtrsv(CblasColMajor,
                        CblasLower,
                        CblasNoTrans,
                        CblasNonUnit,
                        n,
                        p->factor,
                        n,
                        alpha,
                        1);
            cblas_dtrsv(
                CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, n, p->factor, n, alpha, 1);
        }
        p->parts++;
    }
    for (int i = 0; i < p->parts; i++) {
        p->part[i].weight /= kept;
    }
out:
    free(scored);
    free(r);
    return rc;
}

/* Equal settings with hardly any noise make K singular to working precision; noise then grows
 * until it is not. */
#define NOISE_STEP 4.0
#define NOISE_MAX 2.0

static int condition(struct esp_posterior *p,
                     const struct esp_surrogate *s,
                     const struct esp_hyper *hyper,
                     const double *w)
{
    double log_determinant;
    p->hyper = *hyper;
    int rc = factorise(p, s, &p->hyper, &log_determinant);
    while (rc == -EDOM && p->hyper.noise < NOISE_MAX) {
        p->hyper.noise += NOISE_STEP;
        rc = factorise(p, s, &p->hyper, &log_determinant);
    }
    return rc == 0 ? weigh_means(p, s, w, log_determinant) : rc;
}

/* The incumbent: the best loss at the horizon; before any the least that is expected there. */
static void
choose_incumbent(struct esp_posterior *p, const struct esp_surrogate *s, const double *w)
{
    p->best_w = INFINITY;
    for (int i = 0; i < p->points; i++) {
        if (p->refs[i].h == 0 && p->refs[i].trial != UINT32_MAX) {
            p->best_w = fmin(p->best_w, w[i]);
        }
    }
    if (isfinite(p->best_w) && p->best_w < WORST) {
        return;
    }
    p->best_w = INFINITY;
    struct esp_query queries[ESP_ACTIVE_MAX];
    struct esp_prediction_w beliefs[ESP_ACTIVE_MAX];
    for (int i = 0; i < p->places; i++) {
        queries[i] =
            (struct esp_query){.x = &p->x[i * s->space.count], .trial = p->refs[i].trial};
    }
    esp_posterior_predict(p, s, queries, p->places, beliefs);
    for (int i = 0; i < p->places; i++) {
        p->best_w = fmin(p->best_w, beliefs[i].mean);
    }
    p->best_w = isfinite(p->best_w) ? p->best_w : 0;
}

/* Trials that have told nothing yet count as if they had told what is expected of them, so that
 * workers that ask at once do not all get the same answer (kriging believer). */
static int add_pending(struct esp_posterior *p,
                       const struct esp_surrogate *s,
                       const struct esp_hyper *hyper,
                       double *w)
{
    uint32_t silent = esp_loss_ranking_count(&s->silent);
    int axes = s->space.count;
    for (uint32_t r = 1; r <= silent && r <= ESP_PENDING_MAX; r++) {
        /* the youngest first */
        uint32_t trial = esp_loss_ranking_at(&s->silent, silent + 1 - r).trial;
        if (p->points == ESP_POINTS_MAX || p->places == ESP_POINTS_MAX) {
            break;
        }
        double *x = &p->x[p->places * axes];
        struct esp_prediction_w belief;
        memcpy(x, &s->places[trial * (size_t)axes], (size_t)axes * sizeof *x);
        esp_posterior_predict(
            p, s, &(struct esp_query){.x = x, .trial = UINT32_MAX}, 1, &belief);
        w[p->points] = belief.mean;
        p->refs[p->points++] = (struct esp_point_ref){UINT32_MAX, p->places++, 0, NAN};
        int rc = condition(p, s, hyper, w);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int esp_posterior_make(struct esp_posterior *p,
                       const struct esp_surrogate *s,
                       const struct esp_hyper *hyper,
                       int limit,
                       bool pending)
{
    size_t axes = (size_t)s->space.count;
    double w[ESP_POINTS_MAX];
    uint32_t chosen[ESP_ACTIVE_MAX];
    if (!p->refs) {
        p->refs = malloc(ESP_POINTS_MAX * sizeof *p->refs);
        p->x = malloc((ESP_POINTS_MAX * axes + 1) * sizeof *p->x);
        p->factor = malloc((size_t)ESP_POINTS_MAX * ESP_POINTS_MAX * sizeof *p->factor);
        p->ones = malloc(ESP_POINTS_MAX * sizeof *p->ones);
        if (!p->refs || !p->x || !p->factor || !p->ones) {
            return -ENOMEM;
        }
    }
    assert(limit <= ESP_ACTIVE_MAX);
    p->points = p->places = 0;
    p->points_max = limit * 3 / 2 < ESP_POINTS_MAX ? limit * 3 / 2 : ESP_POINTS_MAX;
    int count = choose_trials(s, limit, chosen);
    choose_points(p, s, chosen, count);
    choose_scale(p, s);
    for (int i = 0; i < p->points; i++) {
        w[i] = esp_compress((p->refs[i].z - p->best_z) / p->scale);
    }
    int rc = condition(p, s, hyper, w);
    if (rc == 0) {
        choose_incumbent(p, s, w);
        if (pending) {
            rc = add_pending(p, s, hyper, w);
        }
    }
    return rc;
}

void esp_posterior_predict(const struct esp_posterior *p,
                           const struct esp_surrogate *s,
                           const struct esp_query *queries,
                           int count,
                           struct esp_prediction_w *out)
{
    int n = p->points, axes = s->space.count;
    double inverse[ESP_PARAMS_MAX];
    double *k = malloc(((size_t)n * (size_t)count + 1) * sizeof *k);
    double *m = malloc((size_t)(p->places + 1) * sizeof *m);
    double *mean = malloc((size_t)(count * ESP_MEANS_KEPT + 1) * sizeof *mean);
    assert(k && m && mean);
    inverse_lengths(s, &p->hyper, inverse);
    for (int c = 0; c < count; c++) {
        const struct esp_query *query = &queries[c];
        for (int i = 0; i < p->places; i++) {
            m[i] = matern52(squared_distance(s, inverse, query->x, &p->x[i * axes]));
        }
        for (int i = 0; i < n; i++) {
            const struct esp_point_ref *ref = &p->refs[i];
            k[c * n + i] = covariance(&p->hyper,
                                      m[ref->row],
                                      query->h,
                                      ref->h,
                                      query->trial == ref->trial && ref->trial != UINT32_MAX);
        }
        for (int t = 0; t < p->parts; t++) {
            const struct esp_mean_part *part = &p->part[t];
            mean[c * ESP_MEANS_KEPT + t] = part->constant +
                                           mean_at(p, s, part->shift, part->depth, query->x) +
                                           cblas_ddot(n, part->alpha, 1, &k[c * n], 1);
        }
    }
    if (n > 0) {
        cblas_dtrsm(CblasColMajor,
                    CblasLeft,
                    CblasLower,
                    CblasNoTrans,
                    CblasNonUnit,
                    n,
                    count,
                    1,
                    p->factor,
                    n,
                    k,
                    n);
    }
    for (int c = 0; c < count; c++) {
        const double *v = &k[c * n];
        double own = covariance(&p->hyper, 1, queries[c].h, queries[c].h, true);
        double explained = cblas_ddot(n, v, 1, v, 1);
        double rest = 1 - cblas_ddot(n, v, 1, p->ones, 1);
        double variance = fmax(own - explained, 1e-10) +
                          (n > 0 ? rest * rest / p->ones_sum : 1); /* the constant's own */
        double most = -INFINITY, log_ei[ESP_MEANS_KEPT], first = 0, second = 0, sum = 0;
        for (int t = 0; t < p->parts; t++) {
            const struct esp_mean_part *part = &p->part[t];
            double mu = mean[c * ESP_MEANS_KEPT + t], var = variance * part->variance;
            double sd = sqrt(var);
            first += part->weight * mu;
            second += part->weight * (var + mu * mu);
            log_ei[t] =
                log(part->weight) + log(sd) + esp_log_improvement((p->best_w - mu) / sd);
            most = fmax(most, log_ei[t]);
        }
        for (int t = 0; t < p->parts; t++) {
            sum += exp(log_ei[t] - most);
        }
        out[c] = (struct esp_prediction_w){.mean = first,
                                           .variance = fmax(second - first * first, 1e-20),
                                           .log_ei = most + log(sum)};
    }
    free(k);
    free(m);
    free(mean);
}
