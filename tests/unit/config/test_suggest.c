/* Edit distances and suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <espalier/suggest.h>

#include <limits.h>
#include <string.h>

static const char *const words[] = {
    "learning_rate", "batch_size", "weight_decay", "beta1", "beta2", "clip", "model.layers"};
#define WORD_COUNT (sizeof words / sizeof words[0])

static void a_swap_an_insertion_and_a_replacement_each_count_one(void **state)
{
    (void)state;
    assert_int_equal(esp_suggest_distance("metohd", "method"), 1);
    assert_int_equal(esp_suggest_distance("metod", "method"), 1);
    assert_int_equal(esp_suggest_distance("mothod", "method"), 1);
    assert_int_equal(esp_suggest_distance("", "abc"), 3);
    assert_int_equal(esp_suggest_distance("kitten", "sitting"), 3);
}

static void distance_is_symmetric(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORD_COUNT; i++) {
        for (size_t j = 0; j < WORD_COUNT; j++) {
            assert_int_equal(esp_suggest_distance(words[i], words[j]),
                             esp_suggest_distance(words[j], words[i]));
            assert_true((esp_suggest_distance(words[i], words[j]) == 0) == (i == j));
        }
    }
}

static void case_and_hyphens_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(esp_suggest_distance("Learning-Rate", "learning_rate"), 0);
}

static void words_beyond_the_length_limit_are_not_compared(void **state)
{
    char word[ESP_SUGGEST_LENGTH_MAX + 2];

    (void)state;
    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    assert_int_equal(esp_suggest_distance(word, "a"), INT_MAX);
    assert_null(esp_suggest(word, words, WORD_COUNT));
}

static void a_misspelt_word_gets_the_most_similar_one(void **state)
{
    (void)state;
    assert_string_equal(esp_suggest("lerning_rate", words, WORD_COUNT), "learning_rate");
    assert_string_equal(esp_suggest("bathc_size", words, WORD_COUNT), "batch_size");
    assert_string_equal(esp_suggest("beta3", words, WORD_COUNT), "beta1");
}

static void an_unrelated_word_gets_no_suggestion(void **state)
{
    (void)state;
    assert_null(esp_suggest("chocolate", words, WORD_COUNT));
    assert_null(esp_suggest("x", words, WORD_COUNT));
    assert_null(esp_suggest("", words, WORD_COUNT));
}

static void names_of_other_programs_are_known(void **state)
{
    (void)state;
    assert_string_equal(esp_suggest("lr", words, WORD_COUNT), "learning_rate");
    assert_string_equal(esp_suggest("wd", words, WORD_COUNT), "weight_decay");
    assert_string_equal(esp_suggest("n_layer", words, WORD_COUNT), "model.layers");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_swap_an_insertion_and_a_replacement_each_count_one),
        cmocka_unit_test(distance_is_symmetric),
        cmocka_unit_test(case_and_hyphens_do_not_matter),
        cmocka_unit_test(words_beyond_the_length_limit_are_not_compared),
        cmocka_unit_test(a_misspelt_word_gets_the_most_similar_one),
        cmocka_unit_test(an_unrelated_word_gets_no_suggestion),
        cmocka_unit_test(names_of_other_programs_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
