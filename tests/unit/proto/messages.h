/* Random messages of every kind, within the limits, and their comparison field by field. */
#ifndef TESTS_PROTO_MESSAGES_H
#define TESTS_PROTO_MESSAGES_H

#include <espalier/message.h>

/* Depends on `kind` and `seed` only. Its pointers are valid until the next call. */
struct esp_message messages_make(enum esp_message_kind kind, uint64_t seed);

/* Fails the test at the first difference. NULL and "" are the same where message.h has no NULL.
 */
void messages_assert_same(const struct esp_message *a, const struct esp_message *b);

#endif
