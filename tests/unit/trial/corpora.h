/* Small corpora, shared by the tests of trial/data.h. */
#ifndef ESP_TEST_TRIAL_CORPORA_H
#define ESP_TEST_TRIAL_CORPORA_H

#include "../scratch.h"

#include "../../../trial/data.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static struct scratch scratch;

static inline int set_up(void **state)
{
    (void)state;
    scratch = scratch_make();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

/* Text whose byte at position i differs from its neighbours. */
static inline uint8_t pattern_at(int64_t i)
{
    return (uint8_t)((i * 7 + i / 251) % 251);
}

static inline const char *write_pattern(const char *name, int64_t from, int64_t count)
{
    uint8_t *bytes = malloc((size_t)count + 1);
    for (int64_t i = 0; i < count; i++) {
        bytes[i] = pattern_at(from + i);
    }
    const char *path = scratch_write(&scratch, name, bytes, (size_t)count);
    free(bytes);
    return path;
}

static inline void
expect_error(const char *pattern, int64_t vocabulary, int code, const char *words)
{
    struct esp_data *data = NULL;
    struct esp_error error = {"no error"};
    assert_int_equal(esp_data_open(pattern, ESP_DTYPE_AUTO, vocabulary, 16, &data, &error),
                     code);
    assert_null(data);
    if (!strstr(error.text, words)) {
        fail_msg("'%s' does not contain '%s'", error.text, words);
    }
}

#endif
