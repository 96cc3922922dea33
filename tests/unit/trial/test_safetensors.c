/* Tests of trial/safetensors.h, with malformed headers in particular. */
#include "../../../trial/safetensors.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define T(dtype, shape, offsets)                                                               \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

/* A header that is followed by 16 bytes of data. */
static void good_headers_are_read(void **state)
{
    (void)state;
    struct esp_safetensors_header h;
    static const char text[] = " {\"b\" : " T(
        "F16",
        "[2 ,2]",
        "[8,16]") " ,\n\"__metadata__\":"
                  "{\"a\":\"\\\"\\u00e9\",\"b\":\"\"},\"\\ud83d\\ude00\\u0041\":" T(
                      "F64", "[]", "[0,8]") ",\"none\":" T("I8", "[0,5]", "[8,8]") "}  ";
    assert_int_equal(esp_safetensors_parse(text + 1, sizeof text - 2, 16, &h, NULL), 0);
    assert_int_equal(h.count, 3);
    const struct esp_safetensors_tensor *t = esp_safetensors_find(&h, "b");
    assert_non_null(t);
    assert_int_equal(t->type, ESP_SAFETENSORS_F16);
    assert_int_equal(t->rank, 2);
    assert_int_equal(t->shape[1], 2);
    assert_int_equal(t->begin, 8);
    t = esp_safetensors_find(&h,
                             "\xf0\x9f\x98\x80"
                             "A");
    assert_non_null(t);
    assert_int_equal(t->rank, 0);
    assert_string_equal(t->dtype, "F64");
    assert_non_null(esp_safetensors_find(&h, "none"));
    assert_null(esp_safetensors_find(&h, "c"));
    esp_safetensors_release(&h);
    assert_int_equal(esp_safetensors_parse("{}", 2, 0, &h, NULL), 0);
    assert_int_equal(h.count, 0);
    esp_safetensors_release(&h);
}

static void bad_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "does not begin with '{'"},
        {" {}", "does not begin with '{'"},
        {"[]", "does not begin with '{'"},
        {"{", "a string is expected"},
        {"{}{}", "there is more after the end"},
        {"{\"a\":" T("F32", "[4]", "[0,16]") ",}", "a string is expected"},
        {"{\"a\":" T("F32", "[4]", "[0,16]"), "the header does not end"},
        {"{\"a\":" T("F32", "[4]", "[0,16]") ",\"a\":" T("F32", "[0]", "[16,16]") "}",
         "'a' appears twice"},
        {"{\"a\":" T("F33", "[4]", "[0,16]") "}", "the unknown type 'F33'"},
        {"{\"a\":" T("F32", "[3]", "[0,16]") "}",
         "has 12 bytes by its shape and type, but data_offsets [0, 16]"},
        {"{\"a\":" T("F32", "[4]", "[16,0]") "}", "data_offsets [16, 0]"},
        {"{\"a\":" T("F32", "[5]", "[0,20]") "}",
         "is truncated: the tensor 'a' ends at byte 20"},
        {"{\"a\":" T("F32", "[3]", "[0,12]") "}", "has 16 bytes of data, its tensors 12"},
        {"{\"a\":" T("F32", "[3]", "[4,16]") "}", "'a' leaves a hole"},
        {"{\"a\":" T("F32", "[4]", "[0,16]") ",\"b\":" T("F32", "[1]", "[12,16]") "}",
         "'b' shares bytes"},
        {"{\"a\":" T("F32", "[4294967296,4294967296]", "[0,16]") "}", "beyond 2^64"},
        {"{\"a\":" T("F32", "[9223372036854775808]", "[0,16]") "}", "beyond 2^63"},
        {"{\"a\":" T("F32", "[-4]", "[0,16]") "}", "a whole number is expected"},
        {"{\"a\":" T("F32", "[4.0]", "[0,16]") "}", "is not whole"},
        {"{\"a\":" T("F32", "[4e0]", "[0,16]") "}", "is not whole"},
        {"{\"a\":" T("F32", "[04]", "[0,16]") "}", "a whole number is expected"},
        {"{\"a\":" T("F32", "[4,]", "[0,16]") "}", "a whole number is expected"},
        {"{\"a\":" T("F32", "[1,1,1,1,1,1,1,1,4]", "[0,16]") "}", "too many numbers"},
        {"{\"a\":" T("F32", "[4]", "[0]") "}", "needs two data_offsets"},
        {"{\"a\":" T("F32", "[4]", "[0,16,3]") "}", "too many numbers"},
        {"{\"a\":" T("F32", "4", "[0,16]") "}", "a list of numbers is expected"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "needs dtype, shape and data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4]}}", "has a key twice"},
        {"{\"a\":{\"type\":\"F32\"}}", "the unknown key 'type'"},
        {"{\"a\":{}}", "a string is expected"},
        {"{\"a\":3}", "a tensor's description is expected"},
        {"{\"a\" 3}", "no ':'"},
        {"{'a':3}", "a string is expected"},
        {"{\"__metadata__\":{\"a\":3}}", "a string is expected"},
        {"{\"__metadata__\":[]}", "__metadata__ is expected to be an object"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "has __metadata__ twice"},
        {"{\"a\\u0000\":3}", "U+0000"},
        {"{\"a\\x\":3}", "an unknown escape"},
        {"{\"a\\u12\":3}", "four hexadecimal digits"},
        {"{\"\\ud800\":3}", "half of a surrogate pair"},
        {"{\"\\ud800\\u0041\":3}", "half of a surrogate pair"},
        {"{\"\\udc00\":3}", "half of a surrogate pair"},
        {"{\"\x01\":3}", "a control character"},
        {"{\"\xff\":3}", "no UTF-8"},
        {"{\"\xc0\x80\":3}", "no UTF-8"},
        {"{\"\xed\xa0\x80\":3}", "no UTF-8"},
        {"{\"\xf4\x90\x80\x80\":3}", "no UTF-8"},
        {"{\"\xe2\x82", "no UTF-8"},
        {"{\"abc", "a string does not end"},
        {"{\"abc\\", "an unknown escape"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct esp_safetensors_header h;
        struct esp_error error = {"no error"};
        int rc = esp_safetensors_parse(bad[i].text, strlen(bad[i].text), 16, &h, &error);
        if (rc != -EBADMSG || !strstr(error.text, bad[i].words)) {
            fail_msg("%s: %d, '%s'", bad[i].text, rc, error.text);
        }
        assert_null(h.tensors);
    }
}

static void a_header_beyond_the_limit_is_not_read(void **state)
{
    (void)state;
    struct esp_safetensors_header h;
    struct esp_error error;
    assert_int_equal(esp_safetensors_parse("{", ESP_SAFETENSORS_HEADER_MAX + 1, 0, &h, &error),
                     -EBADMSG);
    assert_non_null(strstr(error.text, "more than the 100000000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_headers_are_read),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(a_header_beyond_the_limit_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
