/* Getting and setting the trainer's settings by name, their ranges, and their hashes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <espalier/trainer.h>

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static struct esp_value whole(int64_t x)
{
    return (struct esp_value){ESP_VALUE_INTEGER, (double)x, x, NULL};
}

static struct esp_value real(double x)
{
    return (struct esp_value){ESP_VALUE_REAL, x, 0, NULL};
}

static struct esp_value text(const char *x)
{
    return (struct esp_value){ESP_VALUE_TEXT, 0, 0, x};
}

static struct esp_trainer sound(void)
{
    struct esp_trainer t;
    struct esp_value data = text("/corpus.txt");
    struct esp_value tokens = whole(1000000);

    esp_trainer_init(&t);
    assert_int_equal(esp_trainer_set(&t, "data", &data, NULL), 0);
    assert_int_equal(esp_trainer_set(&t, "tokens", &tokens, NULL), 0);
    return t;
}

static void defaults_are_as_documented(void **state)
{
    struct esp_trainer t;

    (void)state;
    esp_trainer_init(&t);
    assert_int_equal(t.activation, ESP_ACTIVATION_GELU);
    assert_int_equal(t.schedule, ESP_SCHEDULE_COSINE);
    assert_true(t.warmup == 0.02 && t.floor == 0.1);
    assert_true(t.beta1 == 0.9 && t.beta2 == 0.95 && t.weight_decay == 0.1 && t.clip == 1.0);
    assert_int_equal(t.vocabulary, 0);
    assert_string_equal(t.data, "");
}

static void every_default_is_within_its_range(void **state)
{
    (void)state;
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *f = &esp_trainer_fields[i];
        if ((f->type == ESP_FIELD_INTEGER || f->type == ESP_FIELD_REAL) &&
            !(f->flags & ESP_FIELD_REQUIRED)) {
            assert_true(f->fallback >= f->min && f->fallback <= f->max);
        }
    }
}

static void fields_have_different_names_and_offsets(void **state)
{
    (void)state;
    assert_true(esp_trainer_field_count <= 64); /* size of arrays in the readers */
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *f = &esp_trainer_fields[i];
        const char *dot = strrchr(f->name, '.');
        assert_ptr_equal(esp_trainer_field(f->name), f);
        assert_ptr_equal(esp_trainer_field(strcmp(f->name, "schedule.type") == 0 ? "schedule"
                                           : dot                                 ? dot + 1
                                                                                 : f->name),
                         f);
        for (size_t j = 0; j < i; j++) {
            assert_true(f->offset != esp_trainer_fields[j].offset);
        }
    }
    assert_null(esp_trainer_field("type"));
}

static void get_returns_what_was_set(void **state)
{
    struct esp_trainer from = sound();
    struct esp_trainer to;

    (void)state;
    from.learning_rate = 0.0123;
    from.layers = 7;
    from.schedule = ESP_SCHEDULE_INVERSE_SQRT;
    strcpy(from.init_from, "/weights");
    esp_trainer_init(&to);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        struct esp_value value = esp_trainer_get(&from, &esp_trainer_fields[i]);
        assert_int_equal(esp_trainer_set(&to, esp_trainer_fields[i].name, &value, NULL), 0);
    }
    assert_memory_equal(&from, &to, sizeof from);
}

static void an_integer_field_takes_a_real_without_a_fraction(void **state)
{
    struct esp_trainer t = sound();
    struct esp_value good = real(2e7);
    struct esp_value bad = real(1.5);
    struct esp_error error;

    (void)state;
    assert_int_equal(esp_trainer_set(&t, "tokens", &good, NULL), 0);
    assert_int_equal(t.tokens, 20000000);
    assert_int_equal(esp_trainer_set(&t, "tokens", &bad, &error), -EINVAL);
    assert_string_equal(error.text, "tokens must be a whole number, not 1.5");
    assert_int_equal(t.tokens, 20000000);
}

static void a_refused_value_changes_nothing(void **state)
{
    const struct {
        const char *name;
        struct esp_value value;
        int rc;
        const char *words;
    } cases[] = {
        {"learning_rate", real(NAN), -EINVAL, "learning_rate must be finite"},
        {"learning_rate", real(INFINITY), -EINVAL, "learning_rate must be finite"},
        {"learning_rate", real(0), -EINVAL, "learning_rate must be in [1e-12, 1000], not 0"},
        {"learning_rate",
         text("1e-3"),
         -EINVAL,
         "learning_rate must be a number, not \"1e-3\""},
        {"batch_size", whole(0), -EINVAL, "batch_size must be in [1, 1048576], not 0"},
        {"dropout", real(1), -EINVAL, "dropout must be in [0, 0.99], not 1"},
        {"schedule", text("cosin"), -EINVAL, "did you mean \"cosine\"?"},
        {"schedule", whole(0), -EINVAL, "schedule.type must be one of cosine, linear"},
        {"data", whole(3), -EINVAL, "data must be a path, not 3"},
        {"lerning_rate", real(1), -ENOENT, "did you mean \"learning_rate\"?"},
        {"lr", real(1), -ENOENT, "did you mean \"learning_rate\"?"},
        {"chocolate", real(1), -ENOENT, "the trainer has no setting \"chocolate\""},
        {"beta1", {ESP_VALUE_BOOLEAN, 0, 0, NULL}, -EINVAL, "a number, not false"},
    };
    const struct esp_trainer before = sound();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_trainer t = before;
        struct esp_error error = {""};
        assert_int_equal(esp_trainer_set(&t, cases[i].name, &cases[i].value, &error),
                         cases[i].rc);
        assert_non_null(strstr(error.text, cases[i].words));
        assert_memory_equal(&t, &before, sizeof t);
    }
}

static void a_path_that_is_too_long_is_refused(void **state)
{
    static char path[ESP_PATH_MAX + 1];
    struct esp_trainer t = sound();
    struct esp_value value = text(path);

    (void)state;
    memset(path, 'a', ESP_PATH_MAX);
    assert_int_equal(esp_trainer_set(&t, "data", &value, NULL), -EINVAL);
    path[ESP_PATH_MAX - 1] = '\0';
    assert_int_equal(esp_trainer_set(&t, "data", &value, NULL), 0);
    assert_string_equal(t.data, path);
}

static void validation_names_fields_that_do_not_fit_together(void **state)
{
    struct esp_trainer t = sound();
    struct esp_error error;

    (void)state;
    assert_int_equal(esp_trainer_validate(&t, &error), 0);
    t.width = 97;
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
    assert_non_null(strstr(error.text, "model.width 97 is not divisible by model.heads 3"));
    t = sound();
    t.tokens = 16 * 64 - 1;
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
    assert_non_null(strstr(error.text, "less than one step"));
    t.tokens = 16 * 64;
    assert_int_equal(esp_trainer_validate(&t, &error), 0);
    t.warmup = 1;
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
    t = sound();
    t.report_every = t.tokens + 1;
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
    t = sound();
    t.data[0] = '\0';
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
    t = sound();
    t.tokens = 0;
    assert_int_equal(esp_trainer_validate(&t, &error), -EINVAL);
}

static void the_horizon_is_whole_steps(void **state)
{
    struct esp_trainer t = sound();

    (void)state;
    t.batch_size = 32;
    assert_int_equal(esp_trainer_steps(&t), 1000000 / (32 * 64));
    assert_int_equal(esp_trainer_horizon_tokens(&t), 1000000 / (32 * 64) * 32 * 64);
}

static void the_hash_depends_on_every_field_that_affects_results(void **state)
{
    const struct esp_trainer base = sound();

    (void)state;
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *f = &esp_trainer_fields[i];
        bool silent = strcmp(f->name, "report_every") == 0 ||
                      strcmp(f->name, "checkpoint_seconds") == 0 ||
                      strcmp(f->name, "micro_batch") == 0;
        bool grouped = (f->flags & ESP_FIELD_SHAPE) || strcmp(f->name, "data") == 0;
        struct esp_trainer t = base;
        char *at = (char *)&t + f->offset;
        if (f->type == ESP_FIELD_PATH) {
            strcpy(at, "/other");
        } else if (f->type == ESP_FIELD_REAL) {
            *(double *)at += 0.001;
        } else {
            *(int64_t *)at += 1;
        }
        assert_true((esp_trainer_hash(&t) == esp_trainer_hash(&base)) == silent);
        assert_true((esp_trainer_group(&t) == esp_trainer_group(&base)) == !grouped);
    }
}

static void swapped_values_hash_differently(void **state)
{
    struct esp_trainer a = sound();
    struct esp_trainer b = sound();

    (void)state;
    a.beta1 = 0.5;
    a.beta2 = 0.25;
    b.beta1 = 0.25;
    b.beta2 = 0.5;
    assert_true(esp_trainer_hash(&a) != esp_trainer_hash(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_as_documented),
        cmocka_unit_test(every_default_is_within_its_range),
        cmocka_unit_test(fields_have_different_names_and_offsets),
        cmocka_unit_test(get_returns_what_was_set),
        cmocka_unit_test(an_integer_field_takes_a_real_without_a_fraction),
        cmocka_unit_test(a_refused_value_changes_nothing),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(validation_names_fields_that_do_not_fit_together),
        cmocka_unit_test(the_horizon_is_whole_steps),
        cmocka_unit_test(the_hash_depends_on_every_field_that_affects_results),
        cmocka_unit_test(swapped_values_hash_differently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
