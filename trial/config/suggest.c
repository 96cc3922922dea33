/* Edit distances, and names that other programs use. */
#include <espalier/suggest.h>

#include <ctype.h>
#include <limits.h>
#include <string.h>

/* Names of settings in other programs. */
static const struct {
    const char *word;
    const char *ours;
} jargon[] = {
    {"lr", "learning_rate"},
    {"learningrate", "learning_rate"},
    {"max_lr", "learning_rate"},
    {"peak_lr", "learning_rate"},
    {"bs", "batch_size"},
    {"batch", "batch_size"},
    {"batchsize", "batch_size"},
    {"global_batch_size", "batch_size"},
    {"per_device_train_batch_size", "batch_size"},
    {"wd", "weight_decay"},
    {"adam_beta1", "beta1"},
    {"adam_beta2", "beta2"},
    {"eps", "epsilon"},
    {"grad_clip", "clip"},
    {"gradient_clip", "clip"},
    {"max_grad_norm", "clip"},
    {"warmup_ratio", "warmup"},
    {"min_lr", "floor"},
    {"lr_scheduler", "schedule"},
    {"lr_scheduler_type", "schedule"},
    {"scheduler", "early_terminate"},
    {"pruner", "early_terminate"},
    {"early_stopping", "early_terminate"},
    {"sampler", "method"},
    {"algorithm", "method"},
    {"n_trials", "run_cap"},
    {"max_trials", "run_cap"},
    {"trials", "run_cap"},
    {"params", "parameters"},
    {"search_space", "parameters"},
    {"objective", "metric"},
    {"n_layer", "layers"},
    {"n_layers", "layers"},
    {"num_layers", "layers"},
    {"depth", "layers"},
    {"n_embd", "width"},
    {"d_model", "width"},
    {"hidden_size", "width"},
    {"n_head", "heads"},
    {"n_heads", "heads"},
    {"num_heads", "heads"},
    {"block_size", "context"},
    {"seq_len", "context"},
    {"sequence_length", "context"},
    {"vocab_size", "vocabulary"},
    {"vocab", "vocabulary"},
    {"dataset", "data"},
    {"corpus", "data"},
    {"max_tokens", "tokens"},
    {"horizon", "tokens"},
    {"steps", "tokens"},
    {"max_steps", "tokens"},
    {"epochs", "tokens"},
};

/* The part after the last dot: "learning_rate" of "optimizer.learning_rate". */
static const char *last_part(const char *word)
{
    const char *dot = strrchr(word, '.');

    return dot ? dot + 1 : word;
}

static char folded(char c)
{
    return c == '-' ? '_' : (char)tolower((unsigned char)c);
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;

    return m < c ? m : c;
}

/* Optimal string alignment distance (Damerau-Levenshtein with one edit per substring), with
 * three rows of the table. */
int esp_suggest_distance(const char *from, const char *to)
{
    int rows[3][ESP_SUGGEST_LENGTH_MAX + 1];
    size_t n = strlen(from);
    size_t m = strlen(to);

    if (n > ESP_SUGGEST_LENGTH_MAX || m > ESP_SUGGEST_LENGTH_MAX) {
        return INT_MAX;
    }
    for (size_t j = 0; j <= m; j++) {
        rows[0][j] = (int)j;
    }
    for (size_t i = 1; i <= n; i++) {
        int *row = rows[i % 3];
        const int *above = rows[(i - 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            char a = folded(from[i - 1]);
            char b = folded(to[j - 1]);
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b));
            if (i > 1 && j > 1 && a == folded(to[j - 2]) && folded(from[i - 2]) == b) {
                int swapped = rows[(i - 2) % 3][j - 2] + 1;
                row[j] = swapped < row[j] ? swapped : row[j];
            }
        }
    }
    return rows[n % 3][m];
}

static const char *find_jargon(const char *word, const char *const *words, size_t count)
{
    for (size_t i = 0; i < sizeof jargon / sizeof jargon[0]; i++) {
        if (esp_suggest_distance(word, jargon[i].word) != 0) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            if (words[j] && strcmp(last_part(words[j]), jargon[i].ours) == 0) {
                return words[j];
            }
        }
    }
    return NULL;
}

const char *esp_suggest(const char *word, const char *const *words, size_t count)
{
    size_t length = strlen(word);
    int allowed = length < 6 ? 1 : (int)(length / 3);
    const char *nearest = NULL;
    int nearest_distance = INT_MAX;

    if (length == 0 || length > ESP_SUGGEST_LENGTH_MAX) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        int distance = words[i] ? esp_suggest_distance(word, words[i]) : INT_MAX;
        if (distance <= allowed && distance < nearest_distance && distance < (int)length) {
            nearest = words[i];
            nearest_distance = distance;
        }
    }
    return nearest ? nearest : find_jargon(word, words, count);
}
