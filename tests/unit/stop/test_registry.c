/* The rows of schedulers and of their keys against the enum, the reader and each other. */
#include "stop/registry.h"
#include "study/study.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char head[] = "method: random\n"
                           "trainer: {data: c, tokens: 1e6}\n"
                           "parameters: {learning_rate: {min: 1e-4, max: 1e-2}}\n";

/* A study with the section `{type: WORD, …}`, or NULL and the faults. */
static struct esp_study *read_section(const char *section, struct esp_error *error)
{
    char text[2048];
    struct esp_study *study = NULL;
    int length = snprintf(text, sizeof text, "%searly_terminate: %s\n", head, section);
    assert_true(length > 0 && (size_t)length < sizeof text);
    int rc = esp_study_read_text(text, "s.yaml", "/tmp", &study, NULL, error);
    assert_true(rc == 0 || !study);
    return study;
}

/* A value in the key's range that is not its default, as it is written. */
static double another_value(const struct esp_stopping_key *key, char *out, size_t size)
{
    const struct esp_key *k = &key->key;
    double x = 2;
    if (k->type == ESP_KEY_WORD) {
        snprintf(out, size, "%s", k->words[1]);
        return 1;
    }
    if (k->type == ESP_KEY_LIST) {
        snprintf(out, size, "[a, b]");
        return 0;
    }
    if (k->type == ESP_KEY_BOOLEAN) {
        snprintf(out, size, "%s", k->fallback != 0 ? "no" : "yes");
        return k->fallback == 0;
    }
    if (k->max <= 1) {
        x = 0.5;
    } else if (strcmp(k->unit ? k->unit : "", "tokens") == 0) {
        x = strcmp(k->name, "max") == 0 ? 8e5 : 4e5;
    }
    snprintf(out, size, "%g", x);
    return x;
}

/* "{type: …, KEY: VALUE, …}" with the row's required keys, those that choose it, and `key`. */
static void
section_with(const struct esp_scheduler_row *row, const char *key, char *out, size_t size)
{
    char value[64];
    size_t used = (size_t)snprintf(out, size, "{type: %s", esp_scheduler_word(row));
    for (int i = 0; i < ESP_SCHEDULER_KEYS_MAX && row->keys[i]; i++) {
        bool chooses = row->word && strcmp(row->keys[i], "min_iter") == 0;
        if (esp_scheduler_requires(row, row->keys[i]) || chooses ||
            (key && strcmp(row->keys[i], key) == 0)) {
            another_value(esp_stopping_key_named(row->keys[i]), value, sizeof value);
            used += (size_t)snprintf(out + used, size - used, ", %s: %s", row->keys[i], value);
        }
    }
    snprintf(out + used, size - used, "}");
}

static void every_scheduler_of_the_enum_has_a_row(void **state)
{
    (void)state;
    assert_int_equal(esp_scheduler_count, ESP_SCHEDULER_TYPE_COUNT - ESP_SCHEDULER_NONE);
    for (int type = ESP_SCHEDULER_NONE; type < ESP_SCHEDULER_TYPE_COUNT; type++) {
        const struct esp_scheduler_row *row =
            esp_scheduler_of_type((enum esp_scheduler_type)type);
        assert_int_equal(row->type, type);
        assert_non_null(row->name);
        assert_non_null(row->summary);
        assert_non_null(row->ops->create);
        assert_true(!row->word == !row->variant && !row->example == !row->example_meaning);
        assert_true((row->risk > 0) == esp_scheduler_takes(row, "risk"));
        assert_true(esp_scheduler_takes(row, "risk") == esp_scheduler_takes(row, "calibrate"));
    }
}

static void every_name_and_alias_is_found_and_no_two_are_equal(void **state)
{
    const char *names[ESP_SCHEDULER_NAMES_MAX];
    enum esp_scheduler_type type;
    int form, count = 0;
    (void)state;
    esp_scheduler_names(names);
    for (; names[count]; count++) {
        assert_int_equal(esp_scheduler_find(names[count], &type, &form, NULL), 0);
        for (int i = 0; i < count; i++) {
            assert_string_not_equal(names[i], names[count]);
        }
    }
    assert_true(count > esp_scheduler_count);
    assert_int_equal(esp_scheduler_find("asha-stopping", &type, &form, NULL), 0);
    assert_true(type == ESP_SCHEDULER_ASHA && form == ESP_ASHA_STOPPING);
    assert_int_equal(esp_scheduler_find("asha", &type, &form, NULL), 0);
    assert_true(type == ESP_SCHEDULER_ASHA && form == ESP_ASHA_PROMOTION);
}

static void an_unknown_scheduler_is_refused_with_all_that_there_are(void **state)
{
    const char *names[ESP_SCHEDULER_NAMES_MAX];
    enum esp_scheduler_type type;
    struct esp_error error = {""};
    int form;
    (void)state;
    assert_int_equal(esp_scheduler_find("ahsa", &type, &form, &error), -EINVAL);
    assert_non_null(strstr(error.text, "unknown scheduler \"ahsa\"; there are default, none,"));
    esp_scheduler_names(names);
    for (int i = 0; names[i]; i++) {
        assert_non_null(strstr(error.text, names[i]));
    }
}

static void every_key_of_a_row_is_a_key_and_no_other_is_required(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        for (int k = 0; k < ESP_SCHEDULER_KEYS_MAX && row->keys[k]; k++) {
            assert_non_null(esp_stopping_key_named(row->keys[k]));
            for (int other = 0; other < k; other++) {
                assert_string_not_equal(row->keys[other], row->keys[k]);
            }
        }
        for (int k = 0; k < ESP_SCHEDULER_KEYS_MAX && row->required[k]; k++) {
            assert_true(esp_scheduler_takes(row, row->required[k]));
        }
    }
}

static void every_key_is_taken_by_a_row_and_says_what_it_means(void **state)
{
    (void)state;
    for (int k = 0; k < esp_stopping_key_count; k++) {
        const struct esp_key *key = &esp_stopping_keys[k].key;
        bool number = key->type == ESP_KEY_REAL || key->type == ESP_KEY_WHOLE;
        bool taken = false;
        for (int i = 0; i < esp_scheduler_count; i++) {
            taken = taken || esp_scheduler_takes(&esp_schedulers[i], key->name);
        }
        assert_true(taken && key->meaning);
        assert_int_equal(number, key->range != NULL);
        assert_int_equal(key->type == ESP_KEY_WORD, key->words != NULL);
        assert_true(!number || key->min < key->max);
    }
}

static void every_key_of_a_row_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        for (int k = 0; k < ESP_SCHEDULER_KEYS_MAX && row->keys[k]; k++) {
            const struct esp_stopping_key *key = esp_stopping_key_named(row->keys[k]);
            struct esp_error error = {""};
            char section[512], value[64];
            section_with(row, key->key.name, section, sizeof section);
            struct esp_study *study = read_section(section, &error);
            if (!study) {
                fail_msg("%s: %s", section, error.text);
            }
            assert_int_equal(study->stopping.type, row->type);
            if (key->key.type == ESP_KEY_LIST) {
                assert_int_equal(study->stopping.calibrate_count, 2);
            } else {
                double wanted = another_value(key, value, sizeof value);
                assert_true(wanted != key->key.fallback);
                assert_true(esp_stopping_get(&study->stopping, key) == wanted);
            }
            esp_study_destroy(study);
        }
    }
}

static void every_key_that_a_row_does_not_take_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        for (int k = 0; k < esp_stopping_key_count; k++) {
            const struct esp_stopping_key *key = &esp_stopping_keys[k];
            struct esp_error error = {""};
            char section[512], value[64];
            if (esp_scheduler_takes(row, key->key.name)) {
                continue;
            }
            bool chooses_another = false;
            for (int o = 0; o < esp_scheduler_count; o++) {
                chooses_another =
                    chooses_another || (!row->word && esp_schedulers[o].word &&
                                        strcmp(esp_schedulers[o].word, row->name) == 0 &&
                                        esp_scheduler_takes(&esp_schedulers[o], key->key.name));
            }
            if (chooses_another) {
                continue; /* the file then means the other row of that word */
            }
            section_with(row, NULL, section, sizeof section);
            another_value(key, value, sizeof value);
            snprintf(section + strlen(section) - 1, 128, ", %s: %s}", key->key.name, value);
            assert_null(read_section(section, &error));
            assert_non_null(strstr(error.text, "does not use"));
        }
    }
}

static void a_made_up_key_is_refused_by_every_scheduler(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        struct esp_error error = {""};
        char section[512];
        section_with(&esp_schedulers[i], NULL, section, sizeof section);
        struct esp_study *study = read_section(section, &error);
        if (!study) {
            fail_msg("%s: %s", section, error.text);
        }
        esp_study_destroy(study);
        snprintf(section + strlen(section) - 1, 64, ", grace: 3}");
        assert_null(read_section(section, &error));
        assert_non_null(strstr(error.text, "unknown key \"grace\" in early_terminate"));
    }
}

static void every_required_key_is_missed(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        for (int k = 0; k < ESP_SCHEDULER_KEYS_MAX && row->required[k]; k++) {
            struct esp_error error = {""};
            char wanted[128];
            assert_null(read_section(row->name, &error));
            snprintf(wanted, sizeof wanted, "%s needs `%s`", row->name, row->required[k]);
            assert_non_null(strstr(error.text, wanted));
        }
    }
}

static void every_scheduler_that_its_name_describes_can_be_created(void **state)
{
    (void)state;
    for (int i = 0; i < esp_scheduler_count; i++) {
        struct esp_study *study = read_section("none", NULL);
        struct esp_scheduler *scheduler = NULL;
        assert_non_null(study);
        study->stopping.type = esp_schedulers[i].type;
        int rc = esp_scheduler_create(study, &scheduler, NULL);
        assert_int_equal(rc, esp_schedulers[i].example ? -EINVAL : 0);
        esp_scheduler_destroy(scheduler);
        esp_study_destroy(study);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scheduler_of_the_enum_has_a_row),
        cmocka_unit_test(every_name_and_alias_is_found_and_no_two_are_equal),
        cmocka_unit_test(an_unknown_scheduler_is_refused_with_all_that_there_are),
        cmocka_unit_test(every_key_of_a_row_is_a_key_and_no_other_is_required),
        cmocka_unit_test(every_key_is_taken_by_a_row_and_says_what_it_means),
        cmocka_unit_test(every_key_of_a_row_is_read),
        cmocka_unit_test(every_key_that_a_row_does_not_take_is_refused),
        cmocka_unit_test(a_made_up_key_is_refused_by_every_scheduler),
        cmocka_unit_test(every_required_key_is_missed),
        cmocka_unit_test(every_scheduler_that_its_name_describes_can_be_created),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
