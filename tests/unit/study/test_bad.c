/* Study files with faults, each with the place and the message that the user gets. */
#include "texts.h"

#define HEAD "method: random\n" TRAINER /* two lines */
#define P HEAD "parameters:\n"          /* three lines: a parameter is on line 4 */

static const struct {
    const char *text;
    const char *head; /* beginning of the error, after "s.yaml:" */
} cases[] = {
    /* top level */
    {"method: random\n" TRAINER, "1:1: `parameters` is missing"},
    {TRAINER PARAMETERS, "1:1: `method` is missing"},
    {"method: random\n" PARAMETERS, "1:1: there is nothing to train: give `trainer`"},
    {"[1, 2]", "1:1: a study is a mapping of keys"},
    {HEAD PARAMETERS "runcap: 3\n", "4:1: unknown key \"runcap\"; did you mean \"run_cap\"?"},
    {HEAD PARAMETERS "n_trials: 3\n",
     "4:1: unknown key \"n_trials\"; did you mean \"run_cap\"?"},
    {"method: bayse\n" TRAINER PARAMETERS,
     "1:9: method must be one of grid, random, sobol, tpe, bayes, not bayse; did you mean "
     "\"bayes\"?"},
    {"method: custom\n" TRAINER PARAMETERS, "1:9: method custom needs a scheduler of a W&B"},
    {"method: [grid]\n" TRAINER PARAMETERS, "1:9: method must be one of"},
    {HEAD PARAMETERS "run_cap: 0\n", "4:10: run_cap must be in [1, 1048576], not 0"},
    {HEAD PARAMETERS "run_cap: many\n", "4:10: run_cap must be a whole number, not many"},
    {HEAD PARAMETERS "run_cap: 1.5\n", "4:10: run_cap must be a whole number, not 1.5"},
    {HEAD PARAMETERS "seed: -1\n", "4:7: seed must be in [0, "},
    {HEAD PARAMETERS "workers: 0\n", "4:10: workers (a number or auto) must be in [1, 4096]"},
    {HEAD PARAMETERS "workers: all\n", "4:10: workers (a number or auto) must be a whole"},
    {HEAD PARAMETERS "name: ''\n", "4:7: name is empty"},
    {HEAD PARAMETERS "method: grid\n",
     "4:1: the key \"method\" is given twice, first on line 1"},
    {HEAD PARAMETERS "program: t.py\n", "4:1: `program` and `trainer` exclude each other"},
    /* parameters */
    {HEAD "parameters: {}\n",
     "3:13: `parameters` must be a mapping with at least one parameter"},
    {HEAD "parameters:\n", "3:1: `parameters` must be a mapping with at least one parameter"},
    {HEAD "parameters: [1]\n",
     "3:13: `parameters` must be a mapping with at least one parameter"},
    {P "  learning_rate: {min: 0.1, max: 0.1}\n", "4:24: min 0.1 is not less than max 0.1"},
    {P "  batch_size: {min: 8, max: 4}\n", "4:21: min 8 is not less than max 4"},
    {P "  learning_rate: {min: 0.1}\n", "4:18: max is missing"},
    {P "  learning_rate: {max: 0.1}\n", "4:18: min is missing"},
    {P "  learning_rate: {}\n", "4:18: there is nothing to search here"},
    {P "  learning_rate: {distribution: uniform, min: 0.1}\n", "4:18: uniform needs `max`"},
    {P "  learning_rate: {distribution: log_uniform_values, min: 0, max: 1}\n",
     "4:58: min must be above 0 for a logarithm, not 0"},
    {P "  learning_rate: {distribution: log_uniform, min: 1, max: 1000}\n",
     "4:51: min and max are natural-log exponents here"},
    {P "  learning_rate: {distribution: loguniform, min: 1, max: 2}\n",
     "4:33: distribution must be one of constant, categorical,"},
    {P "  learning_rate: {min: low, max: 0.1}\n", "4:24: min must be a finite number, not low"},
    {P "  learning_rate: {min: \"0.01\", max: 0.1}\n",
     "4:24: min must be a finite number, not the text \"0.01\""},
    {P "  learning_rate: {min: 0.01, max: inf}\n",
     "4:35: max must be a finite number, not inf"},
    {P "  learning_rate: {min: 0.01, max: 0.1, q: 0.01}\n",
     "4:40: uniform does not take `q`; q_uniform does"},
    {P "  learning_rate: {min: 0.01, max: 0.1, values: [1]}\n",
     "4:19: categorical does not take `min`"},
    {P "  learning_rate: {min: 0.01, mx: 0.1}\n", "4:18: max is missing"},
    {P "  learning_rate: {distribution: q_uniform, min: 1, max: 2, q: 0}\n",
     "4:63: q must be above 0, not 0"},
    {P "  learning_rate: {distribution: normal, sigma: 0}\n", "4:48: sigma must be above 0"},
    {P "  learning_rate: {distribution: beta, a: -1}\n",
     "4:42: a must be above 0 and at most 1e+06, not -1"},
    {P "  batch_size: {values: []}\n", "4:24: values has 0 entries"},
    {P "  batch_size: {values: 8}\n",
     "4:24: values must be a list like [8, 16, 32], not a number"},
    {P "  batch_size: {values: 8}\n",
     "4:24: values must be a list like [8, 16, 32], not a number; for one value write `value`"},
    {P "  batch_size: {values: [8, 8, 0]}\n", "4:31: batch_size"},
    {P "  batch_size: [8, 16]\n", "4:15: write {values: […]} for a list of values"},
    {P "  batch_size: {values: [8, 16], probabilities: [0.5, 0.4]}\n",
     "4:48: the probabilities sum to 0.9, not to 1"},
    {P "  batch_size: {values: [8, 16], probabilities: [1]}\n",
     "4:48: probabilities must be a list of 2 numbers"},
    {P "  batch_size: {values: [8, 16], probabilities: [1.5, -0.5]}\n",
     "4:49: a probability must be in [0, 1]"},
    {P "  batch_size: {distribution: int_uniform, min: 1.5, max: 3}\n",
     "4:48: min of int_uniform must be a whole number, not 1.5"},
    {P "  2fast: {value: 1}\n", "4:3: \"2fast\" cannot be a parameter's name"},
    {P "  a b: {value: 1}\n", "4:3: \"a b\" cannot be a parameter's name"},
    {P "  schedule: {parameters: {}}\n",
     "4:26: `parameters` must be a mapping with at least one parameter"},
    {P "  schedule: {parameters: {floor: {value: 0}}}\n  schedule.floor: {value: 1}\n",
     "5:3: the parameter schedule.floor is given twice, first on line 4"},
    /* parameters against the trainer */
    {P "  lerning_rate: {min: 0.1, max: 0.2}\n",
     "4:17: the trainer has no setting \"lerning_rate\"; did you mean \"learning_rate\"?"},
    {P "  lr: {min: 0.1, max: 0.2}\n",
     "4:7: the trainer has no setting \"lr\"; did you mean \"learning_rate\"?"},
    {P "  tokens: {values: [1e6, 2e6]}\n", "4:11: tokens cannot be searched"},
    {P "  data: {values: [a, b]}\n", "4:9: data cannot be searched"},
    {P "  floor: {value: 0}\n  schedule.floor: {value: 1}\n",
     "5:19: schedule.floor and floor are the same setting"},
    {P "  batch_size: {values: [8, 0]}\n", "4:28: batch_size must be in [1, 1048576], not 0"},
    {P "  batch_size: {values: [8, 8.5]}\n",
     "4:28: batch_size must be a whole number, not 8.5"},
    {P "  batch_size: {values: [8, big]}\n",
     "4:28: batch_size must be a whole number, not \"big\""},
    {P "  batch_size: {values: [8, '16']}\n",
     "4:28: batch_size must be a whole number, not \"16\""},
    {P "  batch_size: {min: 4.0, max: 64}\n", "4:15: batch_size takes whole numbers"},
    {P "  batch_size: {distribution: q_uniform, min: 4, max: 64, q: 2.5}\n",
     "4:15: batch_size takes whole numbers"},
    {P "  batch_size: {distribution: q_uniform, min: 1, max: 64, q: 8}\n",
     "4:46: batch_size must be in [1, 1048576], not 0 (the smallest this draws)"},
    {P "  dropout: {min: 0.0, max: 1.0}\n",
     "4:28: dropout must be in [0, 0.99], not 1 (the largest this draws)"},
    {P "  dropout: {distribution: normal, mu: 0.1, sigma: 0.1}\n",
     "4:12: dropout must be in [0, 0.99], not -0.27"},
    {P "  schedule: {values: [cosine, wds]}\n",
     "4:31: schedule.type must be one of cosine, linear, wsd, constant, inverse-sqrt, not "
     "\"wds\"; "
     "did you mean \"wsd\"?"},
    {P "  schedule: {min: 0, max: 2}\n",
     "4:13: schedule.type takes words; list them in `values`"},
    {P "  batch_size: {values: [16, 16384]}\n",
     "4:29: batch_size 16384 × context 64 = 1048576 tokens is more than the 1000000 of "
     "trainer.tokens"},
    {P "  batch_size: {min: 16, max: 20000}\n", "4:30: batch_size 20000 × context 64"},
    {"method: random\ntrainer: {data: c, tokens: 1000}\n" PARAMETERS,
     "2:28: batch_size 16 × context 64 = 1024 tokens is more than the 1000"},
    {P "  width: {values: [96, 100]}\n",
     "4:10: model.width 100 is not divisible by model.heads 3"},
    {P "  warmup: {values: [0.1, 1]}\n", "4:11: schedule.warmup must be below 1"},
    /* the grid */
    {"method: grid\n" TRAINER PARAMETERS,
     "3:29: method grid cannot list the values of learning_rate"},
    {"method: grid\n" TRAINER
     "parameters: {batch_size: {values: [4, 8], probabilities: [0.5, 0.5]}}\n",
     "3:26: method grid cannot list the values of batch_size"},
    {"method: grid\nprogram: t.py\nparameters: {a: {min: 1, max: 2000}, b: {min: 1, max: "
     "2000}}\n",
     "3:13: the grid has 4000000 points; a study has at most 1048576 trials: give run_cap"},
    /* the trainer */
    {"method: random\ntrainer: {tokens: 1e6}\n" PARAMETERS, "2:10: trainer.data is missing"},
    {"method: random\ntrainer: {data: c}\n" PARAMETERS, "2:10: trainer.tokens is missing"},
    {"method: random\ntrainer: {data: c, tokens: 0}\n" PARAMETERS,
     "2:28: tokens must be in [1,"},
    {"method: random\ntrainer: {data: c, tokens: 1e6, model: {width: 100}}\n" PARAMETERS,
     "2:48: model.width 100 is not divisible by model.heads 3"},
    {"method: random\ntrainer: {data: c, tokens: 1e6, model: {widht: 96}}\n" PARAMETERS,
     "2:41: unknown key \"widht\" in trainer.model; did you mean \"width\"?"},
    {"method: random\ntrainer: {data: c, tokens: 1e6, precision: fp8}\n" PARAMETERS,
     "2:44: precision must be one of auto, fp32, tf32, bf16, fp16, not \"fp8\""},
    {"method: random\ntrainer: {data: c, tokens: 1e6, schedule: cosin}\n" PARAMETERS,
     "2:43: schedule.type must be one of"},
    {"method: random\ntrainer: {data: c, tokens: 1e6, report_every: 2e6}\n" PARAMETERS,
     "2:47: report_every 2000000 is more than the 1000000"},
    /* the metric */
    {HEAD PARAMETERS "metric: {name: accuracy}\n",
     "4:16: the built-in trainer reports val_loss and train_loss, not \"accuracy\""},
    {HEAD PARAMETERS "metric: {name: val_loss, goal: maximize}\n",
     "4:32: a loss must be minimized"},
    {HEAD PARAMETERS "metric: {name: val_loss, goal: minimise}\n",
     "4:32: metric.goal must be one of minimize, maximize, not minimise; did you mean"},
    {HEAD PARAMETERS "metric: {goal: minimize}\n", "4:9: metric needs `name`"},
    {HEAD PARAMETERS "metric: val_loss\n", "4:9: metric must be a mapping"},
    {HEAD PARAMETERS "metric: {name: val_loss, target: low}\n",
     "4:34: metric.target must be a finite number, not low"},
    {HEAD PARAMETERS "metrics: [{name: a}, {name: b}]\n", "4:10: a study has one metric"},
    /* early_terminate */
    {HEAD PARAMETERS "early_terminate: {type: ahsa}\n",
     "4:25: the type of early_terminate must be one of"},
    {HEAD PARAMETERS "early_terminate: {eta: 3}\n", "4:18: early_terminate needs `type`"},
    {HEAD PARAMETERS "early_terminate: {type: asha, repeats: 3}\n",
     "4:40: repeats must be 0, 1 or 2, not 3"},
    {HEAD "parameters: {seed: {values: [1, 2]}}\nearly_terminate: {type: none, repeats: 1}\n",
     "4:40: repeats trains settings with further seeds, but `seed` is one of"},
    {HEAD PARAMETERS "early_terminate: {type: median, eta: 3}\n",
     "4:33: early_terminate median does not use `eta`"},
    {HEAD PARAMETERS "early_terminate: {type: asha, min: 5e5, max: 1e5}\n",
     "4:36: min 500000 is not less than max 100000"},
    {HEAD PARAMETERS "early_terminate: {type: asha, min: 1e6}\n",
     "4:36: min 1000000 is at the horizon"},
    {HEAD PARAMETERS "early_terminate: {type: asha, max: 2e6}\n",
     "4:36: max 2000000 is beyond the horizon"},
    {HEAD PARAMETERS "early_terminate: {type: asha, eta: 1}\n",
     "4:36: eta must be a number above 1, not 1"},
    {HEAD PARAMETERS "early_terminate: {type: asha, risk: 1}\n",
     "4:37: risk must be in [0, 1)"},
    {HEAD PARAMETERS "early_terminate: {type: asha, form: promote}\n",
     "4:37: form must be one of promotion, stopping, not promote"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, max_iter: 27}\n",
     "4:18: hyperband needs min_iter, or max_iter and an s above 0"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, max_iter: 27, s: 0}\n",
     "4:18: hyperband needs min_iter, or max_iter and an s above 0"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, max_iter: 2, s: 1}\n",
     "4:18: hyperband has no band, because max_iter is below eta: raise max_iter, or give"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, max_iter: 2, s: 1, min_iter: 3}\n",
     "4:18: hyperband has no band, because max_iter is below eta; with max_iter and s, "
     "min_iter "
     "has no effect"},
    {HEAD PARAMETERS "early_terminate: {type: asha, max: 10}\n",
     "4:18: early_terminate.min is 40000, but a trial's last rung is 10"},
    {"method: random\nprogram: t.py\n" PARAMETERS "early_terminate: {type: halving}\n",
     "4:18: early_terminate halving needs to know how far trials train"},
    {HEAD PARAMETERS "early_terminate: {type: asha, calibrate: runs/a}\n",
     "4:42: calibrate must be a list of folders of finished studies"},
    {HEAD PARAMETERS "early_terminate: {type: asha, calibrate: []}\n",
     "4:42: calibrate must be a list of folders of finished studies, for example [runs/*], not "
     "an "
     "empty one"},
    {HEAD PARAMETERS "early_terminate: {type: asha, risk: 0, calibrate: [a]}\n",
     "4:51: calibrate has no effect without a `risk` above 0"},
    {HEAD PARAMETERS "early_terminate: {type: median, calibrate: [a]}\n",
     "4:33: early_terminate median does not use `calibrate`"},
    {HEAD PARAMETERS "early_terminate: {type: asha, calibrate: [[a]]}\n",
     "4:43: a folder of `calibrate` must be text, not a list"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, min_iter: 3, risk: 0.1}\n",
     "4:49: early_terminate hyperband does not use `risk` together with `min_iter` (W&B's "
     "rule)"},
    {HEAD PARAMETERS "early_terminate: {type: hyperband, min_iter: 1.5}\n",
     "4:46: min_iter must be a whole number, 1 or more, not 1.5"},
    {HEAD PARAMETERS "early_terminate: {type: patience}\n",
     "4:18: early_terminate patience needs `patience`"},
    {HEAD PARAMETERS "early_terminate: {type: percentile, percentile: 100}\n",
     "4:49: percentile must be between 0 and 100"},
    {HEAD PARAMETERS "early_terminate: {type: threshold, threshold: 3, at: 2e6}\n",
     "4:54: at 2000000 is beyond the horizon"},
    {HEAD PARAMETERS "early_terminate: {type: asha, grace: 3}\n",
     "4:31: unknown key \"grace\" in early_terminate"},
    /* prior and budget */
    {HEAD PARAMETERS "prior: steplaw\n",
     "4:8: prior must be one of step-law, none, not steplaw; did you mean \"step-law\"?"},
    {HEAD PARAMETERS "prior: {width: 1}\n", "4:8: prior needs `center`"},
    {HEAD PARAMETERS "prior: {center: {learning_rte: 0.01}}\n",
     "4:18: prior.center names \"learning_rte\", which is not a parameter of this study; did "
     "you "
     "mean \"learning_rate\"?"},
    {HEAD PARAMETERS "prior: {center: {learning_rate: 1}}\n",
     "4:33: the center 1 of learning_rate is outside"},
    {HEAD PARAMETERS "prior: {center: {learning_rate: 0.01}, width: 0}\n",
     "4:47: prior.width must be above 0 and at most 64 octaves, not 0"},
    {"method: bayes\nprogram: t.py\n" PARAMETERS "prior: step-law\n",
     "4:8: the Step Law applies to the built-in trainer only"},
    {HEAD PARAMETERS "budget: {tokens: 0}\n", "4:18: budget.tokens must be above 0, not 0"},
    {HEAD PARAMETERS "budget: {hours: -1}\n", "4:17: budget.hours must be above 0, not -1"},
    {HEAD PARAMETERS "budget: {usd: 5}\n", "4:15: a budget in usd needs price_per_hour"},
    {HEAD PARAMETERS "budget: {dollars: 5}\n", "4:10: unknown key \"dollars\" in budget"},
    {HEAD PARAMETERS "budget: 5\n", "4:9: budget must be a mapping"},
    /* programs */
    {"method: random\ncommand: []\n" PARAMETERS,
     "2:10: command must be a list of 1 to 256 words"},
    {"method: random\ncommand: python t.py\n" PARAMETERS, "2:10: command must be a list"},
    {"method: random\ncommand: [python, \"${program}\"]\n" PARAMETERS,
     "2:19: ${program} is used, but `program` is missing"},
    {"method: random\ncommand: [python, [t.py]]\n" PARAMETERS,
     "2:19: a word of command must be text, not a list"},
    {"method: random\nprogram: [t.py]\n" PARAMETERS, "2:10: program must be text, not a list"},
};

static void each_fault_has_its_place_and_message(void **state)
{
    int failed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esp_study *study = NULL;
        struct esp_study_messages messages;
        struct esp_error error = {""};
        char head[512];
        int rc =
            esp_study_read_text(cases[i].text, "s.yaml", "/base", &study, &messages, &error);

        snprintf(head, sizeof head, "s.yaml:%s", cases[i].head);
        if (rc != -EINVAL || study || strncmp(error.text, head, strlen(head)) != 0 ||
            !strstr(error.text, "\n") || !messages.faults) {
            print_error("for\n%swanted %s\ngot    %s\n\n", cases[i].text, head, error.text);
            failed++;
        }
        esp_study_messages_release(&messages);
    }
    assert_int_equal(failed, 0);
}

static int count_faults(const char *text)
{
    int count = 0;

    for (; (text = strstr(text, "s.yaml:")) != NULL; text++) {
        count++;
    }
    return count;
}

static void all_faults_of_a_file_are_reported_at_once(void **state)
{
    const char *text = "metod: random\n"
                       "trainer: {data: c, tokens: 1e6, modle: {layers: 2}}\n"
                       "parameters:\n"
                       "  learning_rate: {min: 0.1, max: 0.01}\n"
                       "  batch_size: {values: []}\n"
                       "run_cap: -3\n";
    struct esp_study *study = NULL;
    struct esp_study_messages messages;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(esp_study_read_text(text, "s.yaml", "/", &study, &messages, &error),
                     -EINVAL);
    assert_int_equal(count_faults(error.text), 5);
    assert_int_equal(count_faults(messages.faults), 5);
    assert_non_null(strstr(error.text, "s.yaml:1:1: unknown key \"metod\""));
    assert_non_null(strstr(error.text, "s.yaml:2:33: unknown key \"modle\" in trainer"));
    assert_non_null(strstr(error.text, "s.yaml:4:24: min 0.1"));
    assert_non_null(strstr(error.text, "s.yaml:5:24: values has 0 entries"));
    assert_non_null(strstr(error.text, "s.yaml:6:10: run_cap"));
    esp_study_messages_release(&messages);
}

static void the_error_names_a_file_that_cannot_be_read(void **state)
{
    struct esp_study *study = NULL;
    struct esp_error error = {""};

    (void)state;
    assert_int_equal(esp_study_read_file("/nowhere.yaml", &study, NULL, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nowhere.yaml: cannot be read: No such file"));
    assert_int_equal(esp_study_read_file("/", &study, NULL, &error), -EISDIR);
    assert_null(study);
}

static void too_many_parameters_are_a_fault(void **state)
{
    char text[8192] = "method: random\nprogram: t.py\nparameters:\n";
    struct esp_study *study = NULL;
    struct esp_error error = {""};

    (void)state;
    for (int i = 0; i <= ESP_PARAMS_MAX; i++) {
        sprintf(text + strlen(text), "  p%d: {min: 0, max: 1}\n", i);
    }
    assert_int_equal(esp_study_read_text(text, "s.yaml", "/", &study, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "s.yaml:68:3: more than 64 parameters"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fault_has_its_place_and_message),
        cmocka_unit_test(all_faults_of_a_file_are_reported_at_once),
        cmocka_unit_test(the_error_names_a_file_that_cannot_be_read),
        cmocka_unit_test(too_many_parameters_are_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
