/* Doubles that are equal within a tolerance; cmocka's assert_float_equal rounds both to float.
 */
#ifndef ESPALIER_TESTS_NEAR_H
#define ESPALIER_TESTS_NEAR_H

#include <math.h>

/* After cmocka.h, which has headers of its own to come before it. */
#define assert_near(found, wanted, tolerance)                                                  \
    do {                                                                                       \
        const double near_found = (found), near_wanted = (wanted);                             \
        if (!(fabs(near_found - near_wanted) <= (tolerance))) {                                \
            fail_msg("%.17g is not within %g of %.17g",                                        \
                     near_found,                                                               \
                     (double)(tolerance),                                                      \
                     near_wanted);                                                             \
        }                                                                                      \
    } while (0)

#endif
