/* A small model learns. The loss that it must reach follows from the text's entropy. */
#include "training.h"

/* Eight words with equal probability: ln 8 nats for 3.75 bytes on average (the, cat, sat, on,
 * a, mat., dog, ran with their ends are 4+4+4+3+2+5+4+4 = 30 bytes for 8 words). Within a word
 * almost every byte is certain, so no model can be much below ln 8 / 3.75 = 0.554 nats per byte
 * on new text, and a model that has learnt the words is close to it. */
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

static void the_words_of_a_text_are_learnt(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    write_text("text.txt", 60000);
    double val_loss = last_loss(&t, &train_loss);
    /* The first byte of a window has no context, so the loss is a little higher. */
    if (!(val_loss > ENTROPY && val_loss < ENTROPY + 0.12)) {
        fail_msg("validation loss %.4f, entropy %.4f", val_loss, ENTROPY);
    }
}

static void a_short_text_is_memorised(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    write_text("text.txt", 500);
    double val_loss = last_loss(&t, &train_loss);
    /* What remains uncertain is which of the 434 windows it is: ln 434 nats over 16 tokens,
     * 0.38, minus what the first token reveals. */
    if (!(train_loss < log(434) / 16 + 0.03 && val_loss > train_loss + 0.5)) {
        fail_msg("training loss %.4f, validation loss %.4f", train_loss, val_loss);
    }
}

static void sgd_learns(void **state)
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

static void a_masked_model_learns_hidden_tokens(void **state)
{
    (void)state;
    struct esp_trainer t = learner();
    double train_loss;
    t.objective = ESP_OBJECTIVE_MASKED;
    t.tokens *= 4; /* only a seventh of the tokens is predicted */
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
        CLAIM(the_words_of_a_text_are_learnt),
        CLAIM(a_short_text_is_memorised),
        CLAIM(sgd_learns),
        CLAIM(a_masked_model_learns_hidden_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
