/* The tables of keys and the readers agree: every row is read, and no key without a row is. */
#include "texts.h"

#include "../../../controller/study/settings.h"

static struct esp_settings *settings;

/* Whether the row's snippet has the top-level key, so that the base must not have it. */
static bool replaces(const struct esp_settings_row *row, const char *key)
{
    size_t length = strlen(key);

    return strncmp(row->path, key, length) == 0 &&
           (row->path[length] == '\0' || row->path[length] == '.');
}

static bool is_program(const struct esp_settings_row *row)
{
    return strcmp(row->path, "program") == 0 || strcmp(row->path, "command") == 0;
}

/* Writes a study file whose last line is the snippet of a row; the lines before complete it to
 * a valid study. Returns the number of the last line. */
static int write_study(const struct esp_settings_row *row, char *text, size_t size)
{
    char snippet[ESP_SETTINGS_TEXT_MAX];
    bool parameter = replaces(row, "parameters");
    size_t used = 0;
    int lines = 1;

    esp_settings_snippet(row, snippet);
    if (!replaces(row, "method")) {
        used += (size_t)snprintf(text + used, size - used, "method: random\n");
    }
    /* Parameters of a program may have any values. */
    if (parameter) {
        used += (size_t)snprintf(text + used, size - used, "program: t.py\n");
    } else if (!replaces(row, "trainer") && !is_program(row)) {
        used += (size_t)snprintf(text + used, size - used, TRAINER);
    }
    if (!parameter) {
        used += (size_t)snprintf(text + used, size - used, PARAMETERS);
    }
    for (const char *c = text; c < text + used; c++) {
        lines += *c == '\n';
    }
    if (strncmp(row->path, "trainer.", 8) == 0) {
        bool data = strcmp(row->path, "trainer.data") == 0;
        bool tokens = strcmp(row->path, "trainer.tokens") == 0;
        snprintf(text + used,
                 size - used,
                 "trainer: {%s%s%s\n",
                 data ? "" : "data: c, ",
                 tokens ? "" : "tokens: 1e6, ",
                 strchr(snippet, '{') + 1);
    } else {
        snprintf(text + used, size - used, "%s\n", snippet);
    }
    return lines;
}

static int
read_study(const char *text, struct esp_study **out, struct esp_study_messages *messages)
{
    struct esp_error error = {""};

    *out = NULL;
    return esp_study_read_text(text, "s.yaml", "/base", out, messages, &error);
}

static void every_example_is_read_without_faults(void **state)
{
    int failed = 0;

    (void)state;
    for (int i = 0; i < settings->row_count; i++) {
        struct esp_study_messages messages;
        struct esp_study *study;
        char text[2048];
        write_study(&settings->rows[i], text, sizeof text);
        if (read_study(text, &study, &messages) != 0) {
            print_error("%s:\n%s%s\n",
                        settings->rows[i].path,
                        text,
                        messages.faults ? messages.faults : "");
            failed++;
        }
        esp_study_messages_release(&messages);
        esp_study_destroy(study);
    }
    assert_int_equal(failed, 0);
}

/* The row with a value of a wrong type as its example; other keys of the example stay. */
static struct esp_settings_row spoil(const struct esp_settings_row *row, char *value)
{
    struct esp_settings_row spoiled = *row;
    bool collection = row->key.type == ESP_KEY_LIST || row->key.type == ESP_KEY_MAPPING;
    const char *rest = NULL;

    if (!collection && row->key.example) {
        rest = strchr(row->key.example, ',');
    }
    snprintf(
        value, ESP_SETTINGS_TEXT_MAX, "%s%s", collection ? "7" : "[[7]]", rest ? rest : "");
    spoiled.key.example = value;
    return spoiled;
}

/* Whether the reader reads the value: there is a fault on its line that is not about the name
 * of the key. For a key that takes any value: the value is in the study, or the warning names
 * the key. */
static bool is_read(const struct esp_settings_row *row)
{
    char value[ESP_SETTINGS_TEXT_MAX], text[2048], place[32];
    struct esp_settings_row spoiled = spoil(row, value);
    struct esp_study_messages messages;
    struct esp_study *study;
    int line = write_study(&spoiled, text, sizeof text);
    int rc = read_study(text, &study, &messages);
    bool found;

    snprintf(place, sizeof place, "s.yaml:%d:", line);
    if (row->key.no_effect) {
        found = rc == 0 && messages.warning && strstr(messages.warning, row->key.name);
    } else if (row->key.type == ESP_KEY_VALUE) {
        found = rc == 0 && strcmp(study->params[0].choices[0].text, "[[7]]") == 0;
    } else {
        found = rc == -EINVAL && strstr(messages.faults, place) &&
                !strstr(messages.faults, "unknown key");
    }
    if (!found) {
        print_error(
            "%s:\n%s%s\n", row->path, text, messages.faults ? messages.faults : "no fault");
    }
    esp_study_messages_release(&messages);
    esp_study_destroy(study);
    return found;
}

static void every_row_is_read(void **state)
{
    int failed = 0;

    (void)state;
    for (int i = 0; i < settings->row_count; i++) {
        failed += !is_read(&settings->rows[i]);
    }
    assert_int_equal(failed, 0);
}

static void a_key_without_a_row_is_refused_in_every_section(void **state)
{
    (void)state;
    for (int g = 0; g < settings->group_count; g++) {
        struct esp_settings_row row = settings->rows[settings->groups[g].first];
        struct esp_study_messages messages;
        struct esp_study *study;
        char text[2048];
        const char *path = settings->groups[g].path;
        snprintf(row.path, sizeof row.path, "%s%szzz", path, path[0] ? "." : "");
        row.key.example = "7";
        write_study(&row, text, sizeof text);
        assert_int_equal(read_study(text, &study, &messages), -EINVAL);
        if (!strstr(messages.faults, "unknown key \"zzz\"")) {
            fail_msg("%s%s", text, messages.faults);
        }
        esp_study_messages_release(&messages);
    }
}

static void every_row_has_a_meaning_and_an_example(void **state)
{
    (void)state;
    for (int i = 0; i < settings->row_count; i++) {
        const struct esp_settings_row *row = &settings->rows[i];
        char text[ESP_SETTINGS_TEXT_MAX];
        size_t length = strlen(row->key.meaning);
        assert_true(length > 0 && row->key.meaning[length - 1] != '.');
        assert_true(row->key.type != ESP_KEY_WORD || row->key.words);
        esp_settings_example(row, text);
        assert_true(text[0] != '\0');
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(settings->rows[j].path, row->path);
        }
    }
}

static void a_row_is_found_by_its_path_or_its_last_part(void **state)
{
    struct esp_settings_row row = {.path = "trainer.schedule.warmup"};

    (void)state;
    assert_true(esp_settings_is_named(&row, "warmup"));
    assert_true(esp_settings_is_named(&row, "schedule.warmup"));
    assert_true(esp_settings_is_named(&row, "trainer.schedule.warmup"));
    assert_false(esp_settings_is_named(&row, "schedule"));
    assert_string_equal(esp_settings_suggest(settings, "warmpu"), "warmup");
    assert_null(esp_settings_suggest(settings, "nothing like it"));
}

static int create(void **state)
{
    (void)state;
    settings = esp_settings_create();
    return settings ? 0 : -1;
}

static int destroy(void **state)
{
    (void)state;
    esp_settings_destroy(settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_is_read_without_faults),
        cmocka_unit_test(every_row_is_read),
        cmocka_unit_test(a_key_without_a_row_is_refused_in_every_section),
        cmocka_unit_test(every_row_has_a_meaning_and_an_example),
        cmocka_unit_test(a_row_is_found_by_its_path_or_its_last_part),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
