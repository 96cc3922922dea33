/* Row-major matrix products by the linked BLAS, on one thread. */
#ifndef ESP_CPU_GEMM_H
#define ESP_CPU_GEMM_H

#include "real.h"

#include <cblas.h>

/* One operand: rows of `step` elements; `transposed` reads it as its transpose. */
struct matrix {
    const real *data;
    int64_t step;
    int transposed;
};

/* c[m, n] = alpha · a[m, k] · b[k, n] + beta · c; beta = 0 does not read c. */
ESP_INLINE void gemm(int64_t m,
                     int64_t n,
                     int64_t k,
                     real alpha,
                     struct matrix a,
                     struct matrix b,
                     real beta,
                     real *c,
                     int64_t c_step)
{
    const CBLAS_TRANSPOSE ta = a.transposed ? CblasTrans : CblasNoTrans;
    const CBLAS_TRANSPOSE tb = b.transposed ? CblasTrans : CblasNoTrans;
    const blasint mi = (blasint)m, ni = (blasint)n, ki = (blasint)k;
    const blasint as = (blasint)a.step, bs = (blasint)b.step, cs = (blasint)c_step;
#if ESP_REAL_IS_FLOAT
    cblas_sgemm(CblasRowMajor, ta, tb, mi, ni, ki, alpha, a.data, as, b.data, bs, beta, c, cs);
#else
    cblas_dgemm(CblasRowMajor, ta, tb, mi, ni, ki, alpha, a.data, as, b.data, bs, beta, c, cs);
#endif
}

#endif
