/* Reads studies from texts, for the tests of this folder. */
#ifndef TESTS_UNIT_STUDY_TEXTS_H
#define TESTS_UNIT_STUDY_TEXTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../controller/study/study.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A valid `trainer` section and valid `parameters`. */
#define TRAINER "trainer: {data: corpus.txt, tokens: 1e6}\n"
#define PARAMETERS "parameters: {learning_rate: {min: 0.001, max: 0.1}}\n"

static inline struct esp_study *read_good(const char *text)
{
    struct esp_study *study = NULL;
    struct esp_error error = {""};

    if (esp_study_read_text(text, "s.yaml", "/base", &study, NULL, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return study;
}

/* A study of a program with one parameter, to which only the rules of distributions apply. */
static inline struct esp_study *read_param(const char *distribution)
{
    char text[1024];

    snprintf(text,
             sizeof text,
             "program: t.py\nmethod: random\nparameters: {x: {%s}}\n",
             distribution);
    return read_good(text);
}

#endif
