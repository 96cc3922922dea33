/* The nearest known word to a misspelt one, for "did you mean". */
#ifndef ESPALIER_SUGGEST_H
#define ESPALIER_SUGGEST_H

#include <stddef.h>

/* Words longer than this are never compared: the distance table is on the stack. */
#define ESP_SUGGEST_LENGTH_MAX 64

/* How many letters must be inserted, deleted, replaced or swapped with their neighbour to turn
 * one word into the other (optimal string alignment); case and '-' against '_' count nothing.
 * Words of more than ESP_SUGGEST_LENGTH_MAX letters are infinitely far (INT_MAX). */
int esp_suggest_distance(const char *from, const char *to);

/* The nearest of `words` within a third of the word's length (at least one letter), the first
 * of equals; or a word of the field's jargon ("lr", "n_layer", "block_size") that stands for
 * one of them; or NULL. `words` is an array of `count` pointers, NULL entries are skipped. */
const char *esp_suggest(const char *word, const char *const *words, size_t count);

#endif
