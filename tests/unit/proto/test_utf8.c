/* The definition of well-formed UTF-8, against the arithmetic of code points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <espalier/utf8.h>

/* Encodes a code point; returns the number of bytes. */
static size_t encode(uint32_t code, unsigned char out[4])
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; code >>= 6) {
        out[i] = (unsigned char)(0x80 | (code & 0x3f));
    }
    out[0] = (unsigned char)(marks[length] | code);
    return length;
}

/* Number of sequences of `length` bytes that are accepted as one character of that length. */
static uint32_t count_accepted(size_t length)
{
    uint32_t accepted = 0;
    unsigned char first = length == 1 ? 0 : 0x80, bytes[4] = {0};
    for (uint32_t lead = first; lead < 0x100; lead++) {
        uint32_t rest = (uint32_t)1 << (8 * (length - 1));
        for (uint32_t i = 0; i < rest; i++) {
            bytes[0] = (unsigned char)lead;
            for (size_t k = 1; k < length; k++) {
                bytes[k] = (unsigned char)(i >> (8 * (k - 1)));
            }
            accepted += esp_utf8_length((char *)bytes, length) == length;
        }
    }
    return accepted;
}

static void every_code_point_has_its_length(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        unsigned char bytes[5] = {0};
        size_t length = encode(code, bytes);
        bool surrogate = code >= 0xd800 && code <= 0xdfff;
        size_t expected = surrogate ? 0 : length;
        assert_int_equal(esp_utf8_length((char *)bytes, length), expected);
        assert_int_equal(esp_utf8_length((char *)bytes, ESP_UTF8_TERMINATED), expected);
        for (size_t cut = 0; cut < length; cut++) {
            assert_int_equal(esp_utf8_length((char *)bytes, cut), 0);
        }
    }
}

/* As many sequences are accepted as there are code points of that length, so no other is. */
static void nothing_else_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(count_accepted(1), 0x80);
    assert_int_equal(count_accepted(2), 0x800 - 0x80);
    assert_int_equal(count_accepted(3), 0x10000 - 0x800 - 0x800);
    for (uint32_t lead = 0xf0; lead < 0x100; lead++) {
        uint32_t accepted = 0;
        for (uint32_t second = 0; second < 0x100; second++) {
            char bytes[] = {(char)lead, (char)second, (char)0x80, (char)0xbf, 0};
            accepted += esp_utf8_length(bytes, 4) == 4;
        }
        assert_int_equal(accepted,
                         lead == 0xf0   ? 0x30
                         : lead < 0xf4  ? 0x40
                         : lead == 0xf4 ? 0x10
                                        : 0);
    }
    assert_int_equal(esp_utf8_length("\xf1\x80\x80", ESP_UTF8_TERMINATED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_has_its_length),
        cmocka_unit_test(nothing_else_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
