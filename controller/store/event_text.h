/* Events as the JSON text of event.data, and back. schema.c describes the format. */
#ifndef ESPALIER_STORE_EVENT_TEXT_H
#define ESPALIER_STORE_EVENT_TEXT_H

#include <espalier/event.h>
#include <stddef.h>

/* A growing text, reused from event to event. */
struct esp_text {
    char *data;
    size_t length, capacity;
    bool failed; /* out of memory: the text is incomplete */
};

void esp_text_release(struct esp_text *text);

/* Writes a string in JSON's quotes; bytes that are not UTF-8 become U+FFFD. */
void esp_text_quote(struct esp_text *text, const char *string);

/* When the string has bytes that are not UTF-8, replaces `text` by the string with U+FFFD in
 * their place: true. Otherwise leaves `text` as it is: false. */
bool esp_text_clean(struct esp_text *text, const char *string);

/* Writes a double that reads back bit for bit, or "NaN", "Infinity", "-Infinity" in quotes. */
void esp_text_real(struct esp_text *text, double value);

void esp_text_raw(struct esp_text *text, const char *string);

/* Replaces `text` by the event's data. -ENOMEM. */
int esp_event_encode(const struct esp_event *event, struct esp_text *text);

/* Memory for what a decoded event points to. Each event reuses it. */
struct esp_decoded {
    char *strings;
    size_t string_capacity, string_length;
    double *values;
    size_t value_capacity;
    struct esp_measure *measures;
    size_t measure_capacity;
};

/* Makes room for this many of each and discards what was there. -ENOMEM. */
int esp_decoded_reserve(struct esp_decoded *memory,
                        size_t bytes,
                        size_t values,
                        size_t measures);
void esp_decoded_release(struct esp_decoded *memory);

/* Fills `event`, whose seq, time_ms, kind, trial and attempt are set from the columns, from
 * `length` bytes of data. -EBADMSG: the data was not written by this program; -ENOMEM. */
int esp_event_decode(const char *data,
                     size_t length,
                     struct esp_decoded *memory,
                     struct esp_event *event);

#endif
