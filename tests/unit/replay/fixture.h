/* A small table in a temporary folder, for the tests of replay. */
#ifndef ESPALIER_TESTS_REPLAY_FIXTURE_H
#define ESPALIER_TESTS_REPLAY_FIXTURE_H

#include "replay/table_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* After cmocka.h, which has headers of its own to come before it. */

static char folder[] = "/tmp/espalier-replay-XXXXXX";

/* Three trials of two points: 0 ends at 3, 1 at 2.5, 2 diverges. */
static const char description[] = "name: t\n"
                                  "horizon: 4\n"
                                  "schedule: cosine\n"
                                  "metric: {name: loss, goal: minimize}\n"
                                  "parameters:\n"
                                  "  lr: {scale: log}\n"
                                  "  beta: {scale: log1m, min: 0.9, max: 0.999}\n"
                                  "  size: {scale: log, values: [8, 2, 32]}\n";
static const char trials[] = "trial,lr,beta,size\n"
                             "0,0.01,0.9,8\n"
                             "1,0.1,0.99,2\n"
                             "2,1.0,0.999,32\n";
static const char curves[] = "trial,tokens,loss,seconds\n"
                             "0,2,5,1.5\n0,4,3,\n"
                             "1,2,4,1\n1,4,2.5,2\n"
                             "2,2,9,1\n2,4,nan,2\n";

static inline void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static inline int write_and_read(const char *d,
                                 const char *t,
                                 const char *c,
                                 struct esp_table *table,
                                 struct esp_error *error)
{
    char path[256];
    write_file("t.yaml", d);
    write_file("t.trials.csv", t);
    write_file("t.curves.csv", c);
    snprintf(path, sizeof path, "%s/t.yaml", folder);
    return esp_table_read(path, table, error);
}

static inline void read_small_table(struct esp_table *table)
{
    struct esp_error error = {""};
    if (write_and_read(description, trials, curves, table, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

static inline int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"t.yaml", "t.trials.csv", "t.curves.csv"};
    char path[256];
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

#endif
