/* A small model learns: what it must reach is known from the text's own entropy. */
#include "training.h"

/* Eight words, drawn alike: ln 8 nats for 4.25 bytes on average (the, cat, sat, on, a, mat.,
 * dog, ran with their ends are 4+4+4+3+2+5+4+4 = 30 bytes for 8 words: 3.75). Within a word
 * almost every byte is sure, so that no model can be much below ln 8 / 3.75 = 0.554 nats per
 * byte on new text, and one that has learnt the words is near it. */
#define ENTROPY (log(8) / 3.75)

static double last_loss(const struct esp_trainer *t, double *train_loss)
{
    struct record r = {0};
    struct esp_group *group = make_group(t, 1);
    join(group, 0, t, NULL);
    run_to_rest(group, &r);
    esp_group_destroy(group);
    assert_int_equal(r.last, ESP_GROUP_REPORT | ESP_GROUP_HORIZON);
    *train_loss = r.points[r.count - 1].train_loss;
    return r.points[r.count - 1].val_loss;
}

static struct esp_trainer learner(void)
{
    struct esp_trainer t = small_trainer();
    t.width = 32;
    t.dropout = 0;
    t.batch_size = 16;
    t.micro_batch = 16;
    t.tokens = 600 * 16 * 16;
    t.report_every = 0;
    t.learning_rate = 5e-3;
    return t;
}

static void the_words_of_a_language_are_learnt(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    write_text("text.txt", 60000);
    double val_loss = last_loss(&t, &train_loss);
    /* The first byte of a window is seen without what came before: a little above. */
    if (!(val_loss > ENTROPY && val_loss < ENTROPY + 0.12)) {
        fail_msg("validation loss %.4f, entropy %.4f", val_loss, ENTROPY);
    }
}

static void a_short_text_is_learnt_by_heart(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    write_text("text.txt", 500);
    double val_loss = last_loss(&t, &train_loss);
    /* What remains is which of the 434 windows it is: ln 434 nats over 16 tokens, 0.38, less
     * what the first token gives away. */
    if (!(train_loss < log(434) / 16 + 0.03 && val_loss > train_loss + 0.5)) {
        fail_msg("training loss %.4f, validation loss %.4f", train_loss, val_loss);
    }
}

static void sgd_learns_too(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    t.optimizer = ESP_OPTIMIZER_SGD;
    t.learning_rate = 0.3;
    t.weight_decay = 1e-4;
    write_text("text.txt", 60000);
    double val_loss = last_loss(&t, &train_loss);
    if (!(val_loss < 1.2)) {
        fail_msg("validation loss %.4f", val_loss);
    }
}

static void a_masked_model_learns_to_fill_in(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    t.objective = ESP_OBJECTIVE_MASKED;
    t.tokens *= 4; /* a seventh of the tokens is predicted */
    t.learning_rate = 2e-3;
    write_text("text.txt", 60000);
    double val_loss = last_loss(&t, &train_loss);
    if (!(val_loss < 1.2)) {
        fail_msg("validation loss %.4f", val_loss);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CLAIM(the_words_of_a_language_are_learnt),
        CLAIM(a_short_text_is_learnt_by_heart),
        CLAIM(sgd_learns_too),
        CLAIM(a_masked_model_learns_to_fill_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
