/* libFuzzer: any bytes are either refused with an error, or decode to a message that encodes
 * and decodes to the same message.
 *
 *   meson setup BUILD -Dfuzzers=true -Db_sanitize=address,undefined -Db_lundef=false \
 *     -Dc_args=-fsanitize=fuzzer-no-link with CC=clang
 *   BUILD/tests/fuzz/message_fuzz -max_len=4096 -max_total_time=120 */
#include "../../proto/codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct esp_codec *codec;

/* Reads every text and array of a message to its end. */
static size_t weigh(const struct esp_message *m)
{
    size_t sum = 0;
    switch (m->kind) {
    case ESP_MESSAGE_HELLO:
        sum = strlen(m->hello.host) + strlen(m->hello.device) + strlen(m->hello.version);
        for (uint32_t i = 0; i < m->hello.process_count; i++) {
            sum += m->hello.processes[i];
        }
        break;
    case ESP_MESSAGE_ASSIGN:
        for (uint32_t i = 0; i < m->assign.param_count; i++) {
            sum += strlen(m->assign.params[i].name);
        }
        break;
    case ESP_MESSAGE_EXITED:
        sum = strlen(m->exited.tail);
        break;
    case ESP_MESSAGE_COMMAND:
        for (uint32_t i = 0; i < m->command.trial_count; i++) {
            sum += m->command.trials[i];
        }
        break;
    default:
        break;
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct esp_bytes first, second;
    struct esp_message message;
    struct esp_error error = {""};
    if (!codec && esp_codec_create(&codec) < 0) {
        abort();
    }
    int rc = esp_codec_decode(codec, data, size, &message, &error);
    if (rc < 0) {
        assert((rc == -EBADMSG || rc == -EMSGSIZE) && error.text[0]);
        return 0;
    }
    assert(weigh(&message) != SIZE_MAX);
    if (esp_codec_encode(&message, &first, &error) < 0) {
        abort();
    }
    rc = esp_codec_decode(codec, first.data, first.length, &message, &error);
    assert(rc == 0);
    rc = esp_codec_encode(&message, &second, &error);
    assert(rc == 0);
    assert(first.length == second.length && !memcmp(first.data, second.data, first.length));
    return 0;
}
