/* Finds the known word that is most similar to a misspelt one, for "did you mean". */
#ifndef ESPALIER_SUGGEST_H
#define ESPALIER_SUGGEST_H

#include <stddef.h>

/* Longer words are not compared: the distance table is on the stack. */
#define ESP_SUGGEST_LENGTH_MAX 64

/* Edit distance: the number of letters to insert, delete, replace, or swap with their neighbour
 * that turns one word into the other (optimal string alignment). Case does not matter, and '-'
 * equals '_'. INT_MAX for words of more than ESP_SUGGEST_LENGTH_MAX letters. */
int esp_suggest_distance(const char *from, const char *to);

/* The word of the array that is most similar, at a distance of at most a third of the word's
 * length or 1; the first of several. Else the one that other programs call by that name ("lr",
 * "n_layer", "block_size"). NULL where there is none. NULL entries of the array are skipped. */
const char *esp_suggest(const char *word, const char *const *words, size_t count);

#endif
