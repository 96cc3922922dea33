/* Tests of espalier-trial's subcommands, by running the program.
 *
 * usage: test_trial_commands PROGRAM */
#include "../scratch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>

#include <cmocka.h>

#define ARGUMENTS_MAX 16

static struct scratch scratch;
static const char *program;

static int set_up(void **state)
{
    (void)state;
    char text[4000];
    scratch = scratch_make();
    for (int i = 0; i < 4000; i++) {
        text[i] = "int main(void) { return 0; }\n"[i % 29];
    }
    scratch_write(&scratch, "corpus.txt", text, sizeof text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(&scratch);
    return 0;
}

static void write_config(const char *name, const char *data, double learning_rate, int tokens)
{
    char text[512];
    int n = snprintf(text,
                     sizeof text,
                     "name: small\n"
                     "trainer:\n"
                     "  data: %s\n"
                     "  model: {layers: 1, width: 16, heads: 2, context: 16}\n"
                     "  tokens: %d\n"
                     "parameters:\n"
                     "  learning_rate: {value: %g}\n"
                     "  batch_size: 4\n",
                     data,
                     tokens,
                     learning_rate);
    scratch_write(&scratch, name, text, (size_t)n);
}

/* Starts the program in the scratch folder; its output goes to the files "out" and "err". */
static pid_t start(const char *const *arguments)
{
    const char *argv[ARGUMENTS_MAX] = {program};
    for (int i = 0; arguments[i]; i++) {
        argv[i + 1] = arguments[i];
    }
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(scratch.path) != 0 || !freopen("out", "w", stdout) ||
            !freopen("err", "w", stderr)) {
            _exit(99);
        }
        execv(program, (char *const *)argv);
        _exit(98);
    }
    return pid;
}

static int finish(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        assert_int_equal(errno, EINTR);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define RUN(...) finish(start((const char *const[]){__VA_ARGS__, NULL}))

/* Output of the last run; the caller frees it. */
static char *printed(const char *name)
{
    size_t size;
    char *text = (char *)scratch_read(scratch_path(&scratch, name), &size);
    text[size] = '\0';
    return text;
}

static void expect(const char *name, const char *words)
{
    char *text = printed(name);
    if (!strstr(text, words)) {
        fail_msg("'%s' does not contain '%s'", text, words);
    }
    free(text);
}

static int count_lines(const char *name)
{
    char *text = printed(name);
    int lines = 0;
    for (char *c = text; *c; c++) {
        lines += *c == '\n';
    }
    free(text);
    return lines;
}

static void help_is_printed_for_each_command(void **state)
{
    (void)state;
    static const char *const names[] = {"train", "bench", "sample", "export"};
    assert_int_equal(RUN("--help"), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        expect("out", "usage: espalier-trial");
        assert_int_equal(RUN(names[i], "--help"), 0);
        expect("out", names[i]);
    }
    assert_int_equal(RUN("--version"), 0);
    assert_int_equal(count_lines("err"), 0);
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    write_config("c.yaml", "corpus.txt", 1e-3, 640);
    assert_int_equal(RUN("no-such"), 2);
    expect("err", "no-such");
    assert_int_equal(RUN("train"), 2);
    assert_int_equal(RUN("train", "--no-such", "c.yaml"), 2);
    assert_int_equal(RUN("train", "--until", "many", "c.yaml"), 2);
    expect("err", "'many'");
    assert_int_equal(RUN("train", "--device", "abacus", "c.yaml"), 2);
    expect("err", "abacus");
    assert_int_equal(RUN("train", "--resume", "x", "c.yaml", "c.yaml"), 2);
    assert_int_equal(RUN("bench"), 2);
    assert_int_equal(RUN("sample"), 2);
}

static void faults_of_configuration_and_data_are_status_2(void **state)
{
    (void)state;
    assert_int_equal(RUN("train", "missing.yaml"), 2);
    expect("err", "missing.yaml");
    write_config("c.yaml", "no-corpus.txt", 1e-3, 640);
    assert_int_equal(RUN("train", "c.yaml"), 2);
    expect("err", "no-corpus.txt");
    scratch_write(&scratch, "short.txt", "too short", 9);
    write_config("c.yaml", "short.txt", 1e-3, 640);
    assert_int_equal(RUN("train", "c.yaml"), 2);
    expect("err", "has 9 bytes");
    scratch_write(&scratch, "bad.yaml", "trainer: {layer: 3}\n", 20);
    assert_int_equal(RUN("train", "bad.yaml"), 2);
    expect("err", "bad.yaml:1:");
}

static void each_report_is_a_line(void **state)
{
    (void)state;
    write_config("c.yaml", "corpus.txt", 1e-3, 3200);
    assert_int_equal(RUN("train", "c.yaml"), 0);
    assert_int_equal(count_lines("out"), 26);
    assert_int_equal(RUN("train", "--json", "c.yaml"), 0);
    assert_int_equal(count_lines("out"), 26);
    expect("out", "{\"config\":\"c\",\"step\":50,\"tokens\":3200,\"val_loss\":");
    assert_int_not_equal(access(scratch_path(&scratch, "c.ckpt"), F_OK), 0);
}

static void several_files_train_in_one_group_or_one_after_another(void **state)
{
    (void)state;
    write_config("a.yaml", "corpus.txt", 1e-3, 1600);
    write_config("b.yaml", "corpus.txt", 3e-3, 1600);
    assert_int_equal(RUN("train", "--json", "--out", "one", "a.yaml", "b.yaml"), 0);
    assert_int_equal(count_lines("out"), 52);
    assert_int_equal(
        RUN("train", "--json", "--together", "2", "--out", "two", "a.yaml", "b.yaml"), 0);
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "b" : "a";
        char path[64];
        snprintf(path, sizeof path, "one/%s.ckpt", name);
        uint8_t *x = scratch_read(scratch_path(&scratch, path), &sizes[0]);
        snprintf(path, sizeof path, "two/%s.ckpt", name);
        uint8_t *y = scratch_read(scratch_path(&scratch, path), &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        size_t tail = sizes[0] / 2; /* the second half is tensors; the header contains times */
        assert_memory_equal(x + tail, y + tail, sizes[0] - tail);
        free(x);
        free(y);
    }
}

static void stopping_and_resuming_equals_one_run(void **state)
{
    (void)state;
    write_config("c.yaml", "corpus.txt", 1e-3, 3200);
    assert_int_equal(RUN("train", "--out", "whole", "c.yaml"), 0);
    assert_int_equal(RUN("train", "--out", "parts", "--until", "1.6e3", "c.yaml"), 0);
    assert_int_equal(
        RUN("train", "--out", "parts", "--resume", "parts/c.ckpt", "--json", "c.yaml"), 0);
    assert_int_equal(count_lines("out"),
                     13); /* steps 26, 28, … 50; the first run ended at 25 */
    size_t a, b;
    uint8_t *x = scratch_read(scratch_path(&scratch, "whole/c.ckpt"), &a);
    uint8_t *y = scratch_read(scratch_path(&scratch, "parts/c.ckpt"), &b);
    assert_int_equal(a, b);
    assert_memory_equal(x + a / 2, y + a / 2, a - a / 2);
    free(x);
    free(y);
}

static void a_signal_saves_and_a_second_ends(void **state)
{
    (void)state;
    const char *const arguments[] = {"train", "long.yaml", NULL};
    write_config("long.yaml", "corpus.txt", 1e-3, 2000000000);
    for (int signals = 1; signals <= 2; signals++) {
        pid_t pid = start(arguments);
        /* The first report shows that the program handles signals by now. */
        struct stat status = {0};
        while (stat(scratch_path(&scratch, "out"), &status) != 0 || status.st_size == 0) {
            usleep(1000);
        }
        if (signals == 1) {
            kill(pid, SIGINT);
            assert_int_equal(finish(pid), 5);
            expect("err", "saved ./long.ckpt");
            assert_int_equal(RUN("sample", "long.ckpt", "--tokens", "3"), 0);
        } else {
            /* While it is stopped it receives both, so it cannot finish after the first. */
            kill(pid, SIGSTOP);
            kill(pid, SIGINT);
            kill(pid, SIGTERM);
            kill(pid, SIGCONT);
            assert_int_equal(finish(pid), 130);
        }
        unlink(scratch_path(&scratch, "out"));
    }
}

static void a_diverged_training_is_status_3(void **state)
{
    (void)state;
    char text[512];
    int n =
        snprintf(text,
                 sizeof text,
                 "trainer:\n"
                 "  data: corpus.txt\n"
                 "  model: {layers: 1, width: 16, heads: 2, context: 16}\n"
                 "  tokens: 64000\n"
                 "  optimizer: sgd\n"
                 "  schedule: {warmup: 0}\n"
                 "parameters: {learning_rate: 1000, batch_size: 4, clip: 0, momentum: 0.99}\n");
    scratch_write(&scratch, "wild.yaml", text, (size_t)n);
    assert_int_equal(RUN("train", "--json", "wild.yaml"), 3);
    expect("err", "diverged");
    expect("out", "\"val_loss\":null");
    assert_int_equal(RUN("train", "wild.yaml"), 3);
    expect("out", "train nan  norm nan"); /* whatever the sign of the NaN */
}

static void samples_repeat_by_seed_and_continue_the_prompt(void **state)
{
    (void)state;
    write_config("c.yaml", "corpus.txt", 1e-2, 32000);
    assert_int_equal(RUN("train", "--out", ".", "c.yaml"), 0);
    assert_int_equal(
        RUN("sample", "c.ckpt", "--prompt", "int ma", "--temperature", "0", "--tokens", "23"),
        0);
    expect("out", "int main(void) { return 0; }\n"); /* learnt by heart during training */
    assert_int_equal(RUN("sample", "c.ckpt", "--temperature", "3", "--seed", "1"), 0);
    char *first = printed("out");
    assert_int_equal(RUN("sample", "c.ckpt", "--temperature", "3", "--seed", "1"), 0);
    char *second = printed("out");
    assert_string_equal(first, second);
    assert_int_equal(RUN("sample", "c.ckpt", "--temperature", "3", "--seed", "2"), 0);
    char *third = printed("out");
    assert_string_not_equal(first, third);
    assert_int_equal(RUN("sample",
                         "c.ckpt",
                         "--temperature",
                         "3",
                         "--top-k",
                         "1",
                         "--prompt",
                         "int ma",
                         "--tokens",
                         "23"),
                     0);
    expect("out", "int main(void) { return 0; }\n");
    assert_int_equal(RUN("sample", "corpus.txt"), 2);
    expect("err", "not an espalier checkpoint");
    free(third);
    free(second);
    free(first);
}

static void exported_weights_can_start_a_training(void **state)
{
    (void)state;
    char text[512];
    write_config("c.yaml", "corpus.txt", 1e-3, 6400);
    assert_int_equal(RUN("train", "c.yaml", "--out", ".", "--device", "cpu"), 0);
    char *trained = printed("out");
    assert_int_equal(RUN("export", "c.ckpt", "--out", "w.safetensors"), 0);
    assert_int_equal(access(scratch_path(&scratch, "config.json"), R_OK), 0);
    assert_int_equal(access(scratch_path(&scratch, "w.safetensors.tmp"), F_OK), -1);
    int n = snprintf(text,
                     sizeof text,
                     "trainer: {data: corpus.txt, init_from: w.safetensors, tokens: 6400,\n"
                     "  model: {layers: 1, width: 16, heads: 2, context: 16}}\n"
                     "parameters: {learning_rate: 1e-3, batch_size: 4}\n");
    scratch_write(&scratch, "d.yaml", text, (size_t)n);
    assert_int_equal(RUN("train", "d.yaml", "--until", "1", "--device", "cpu"), 0);
    /* It begins with the loss at which the other one ended. */
    char *last = strstr(trained, "tokens      6400  val ");
    assert_non_null(last);
    char loss[16];
    snprintf(loss, sizeof loss, "%.10s", strstr(last, "val "));
    expect("out", loss);
    free(trained);

    n = snprintf(text,
                 sizeof text,
                 "%s",
                 "trainer: {data: corpus.txt, init_from: w.safetensors,\n"
                 "  tokens: 6400, model: {layers: 2, width: 16, heads: 2, context: 16}}\n"
                 "parameters: {learning_rate: 1e-3, batch_size: 4}\n");
    scratch_write(&scratch, "d.yaml", text, (size_t)n);
    assert_int_equal(RUN("train", "d.yaml", "--until", "1", "--device", "cpu"), 2);
    expect("err", "the tensor 'h.1.ln_1.weight' of shape [16] is missing");
}

static void export_refuses_files_that_are_not_checkpoints(void **state)
{
    (void)state;
    assert_int_equal(RUN("export", "c.ckpt"), 2);
    expect("err", "--out FILE");
    assert_int_equal(RUN("export", "c.ckpt", "--out", "w.safetensors"), 2);
    expect("err", "No such file");
    assert_int_equal(RUN("export", "corpus.txt", "--out", "w.safetensors"), 2);
    expect("err", "not an espalier checkpoint");
    assert_int_equal(access(scratch_path(&scratch, "w.safetensors"), F_OK), -1);
}

static void bench_prints_speed_and_peak(void **state)
{
    (void)state;
    static const char *const keys[] = {"{\"device\":\"cpu",
                                       "\"precision\":\"fp32\"",
                                       "\"params\":",
                                       "\"members\":2",
                                       "\"tokens_per_second\":",
                                       "\"flops_per_token\":",
                                       "\"flops_per_second\":",
                                       "\"peak_fraction\":"};
    write_config("c.yaml", "corpus.txt", 1e-3, 3200);
    assert_int_equal(RUN("bench",
                         "--json",
                         "--device",
                         "cpu",
                         "--seconds",
                         "0.2",
                         "--members",
                         "2",
                         "c.yaml"),
                     0);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        expect("out", keys[i]);
    }
    assert_int_equal(
        RUN("bench", "--json", "--device", "cpu", "--seconds", "0.2", "--no-peak", "c.yaml"),
        0);
    expect("out", "\"peak_fraction\":null}");
}

int main(int argc, char **argv)
{
#define CLAIM(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLAIM(help_is_printed_for_each_command),
        CLAIM(wrong_usage_is_status_2),
        CLAIM(faults_of_configuration_and_data_are_status_2),
        CLAIM(each_report_is_a_line),
        CLAIM(several_files_train_in_one_group_or_one_after_another),
        CLAIM(stopping_and_resuming_equals_one_run),
        CLAIM(a_signal_saves_and_a_second_ends),
        CLAIM(a_diverged_training_is_status_3),
        CLAIM(samples_repeat_by_seed_and_continue_the_prompt),
        CLAIM(exported_weights_can_start_a_training),
        CLAIM(export_refuses_files_that_are_not_checkpoints),
        CLAIM(bench_prints_speed_and_peak),
    };
    char absolute[4096];
    if (argc != 2 || !realpath(argv[1], absolute)) {
        fprintf(stderr, "usage: %s PROGRAM\n", argv[0]);
        return 2;
    }
    program = absolute;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
