/* Transfers that do not wait, graphs, the ring of snapshots, and errors. */
#include "cases.h"

#include <errno.h>

static void transfers_of_every_size_arrive(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    /* more than all pinned pieces together, so that they are reused */
    const size_t sizes[] = {1, 4096, (1 << 20) + 3, (20 << 20) + 1};
    for (int i = 0; i < 4; i++) {
        unsigned char *from = malloc(sizes[i]), *back = malloc(sizes[i]);
        void *a = k->allocate(k, sizes[i]), *b = k->allocate(k, sizes[i]);
        assert_int_equal(k->download(k, back, a, sizes[i]), 0);
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_true(back[j] == 0); /* new memory is zeroed */
            from[j] = (unsigned char)(j * 31 + j / 251);
        }
        assert_int_equal(k->upload(k, a, from, sizes[i]), 0);
        memset(back, 1, sizes[i]);
        k->copy(k, b, a, sizes[i]);
        memset(from, 0, sizes[i]); /* the caller may reuse its memory at once */
        assert_int_equal(k->download(k, back, b, sizes[i]), 0);
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_true(back[j] == (unsigned char)(j * 31 + j / 251));
        }
        free(from);
        free(back);
        k->release(k, a);
        k->release(k, b);
    }
    esp_kernels_close(k);
}

/* A graph of all operations of a case gives the same results as the operations, and reads
 * device memory at each launch. */
static void a_graph_runs_the_recorded_operations(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    struct esp_error error;
    for (int i = 0; i < CASES; i++) {
        if (cases[i].op == run_loss) {
            continue; /* it downloads in the middle */
        }
        struct esp_graph *graph = NULL;
        struct run plain = start_run(k, ESP_PRECISION_BF16, cases[i].e);
        send_control(&plain);
        cases[i].op(&plain);
        settle(k);
        struct run recorded = start_run(k, ESP_PRECISION_BF16, cases[i].e);
        recorded.control[0].seed = 1; /* a wrong value, corrected after the recording */
        send_control(&recorded);
        recorded.recording = true;
        cases[i].op(&recorded);
        graph = recorded.graph;
        assert_non_null(graph);
        memcpy(recorded.control, plain.control, sizeof plain.control);
        assert_int_equal(
            k->upload(k, recorded.device_control, recorded.control, sizeof recorded.control),
            0);
        assert_int_equal(k->graph_launch(k, graph), 0);
        settle(k);
        for (int s = 0; s < plain.count; s++) {
            double *x = values_of(&plain, s, 0), *y = values_of(&recorded, s, 0);
            if (memcmp(x, y, (size_t)plain.slots[s].count * sizeof *x) != 0) {
                fail_msg("%s: tensor %d differs", cases[i].name, s);
            }
            free(x);
            free(y);
        }
        k->graph_destroy(k, graph);
        end_run(&plain);
        end_run(&recorded);
    }
    assert_int_equal(k->synchronise(k, &error), 0);
    esp_kernels_close(k);
}

static void push(const struct esp_kernels *k, struct esp_ring *ring, int *place, int value)
{
    assert_int_equal(k->ring_begin(k, ring), 0);
    assert_int_equal(k->upload(k, place, &value, sizeof value), 0);
    assert_int_equal(k->ring_push(k, ring, place, sizeof value), 0);
}

static void snapshots_come_in_order(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct esp_ring *ring = NULL, *other = NULL;
    int *place = k->allocate(k, sizeof *place), got = -1;
    double seconds = -1;
    assert_int_equal(k->ring_open(k, &ring, NULL), 0);
    assert_int_equal(k->ring_open(k, &other, NULL), 0);
    assert_int_equal(k->ring_pop(k, ring, &got, sizeof got, true, &seconds), -ENOENT);
    assert_int_equal(k->ring_push(k, ring, place, sizeof got), -EINVAL); /* without a begin */
    assert_int_equal(k->ring_begin(k, ring), 0);
    assert_int_equal(k->ring_push(k, ring, place, ESP_SNAPSHOT_BYTES + 1), -EINVAL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ESP_SNAPSHOTS; i++) {
            push(k, ring, place, 100 * round + i);
        }
        assert_int_equal(k->ring_begin(k, ring), -EAGAIN);
        assert_int_equal(k->ring_push(k, ring, place, sizeof got), -EAGAIN);
        push(k, other, place, 1000 + round); /* each model has its own ring */
        for (int i = 0; i < ESP_SNAPSHOTS; i++) {
            assert_int_equal(k->ring_pop(k, ring, &got, sizeof got, true, &seconds), 0);
            assert_int_equal(got, 100 * round + i);
            assert_true(seconds >= 0 && seconds < 60);
        }
        assert_int_equal(k->ring_pop(k, other, &got, sizeof got, true, &seconds), 0);
        assert_int_equal(got, 1000 + round);
    }
    push(k, ring, place, 7);
    int rc;
    while ((rc = k->ring_pop(k, ring, &got, sizeof got, false, &seconds)) == -EAGAIN) {
    }
    assert_int_equal(rc, 0);
    assert_int_equal(got, 7);
    k->ring_close(k, ring);
    k->ring_close(k, other);
    k->release(k, place);
    esp_kernels_close(k);
}

/* A snapshot that has not arrived does not make the next launch fail. */
static void an_unfinished_snapshot_does_not_fail_the_next_launch(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_BF16);
    struct esp_ring *ring = NULL;
    struct esp_error error = {""};
    float *from = k->allocate(k, 1024 * sizeof *from);
    void *to = k->allocate(k, 1024 * k->activation_bytes);
    int *place = k->allocate(k, sizeof *place), got = -1, rc;
    double seconds;
    assert_int_equal(k->ring_open(k, &ring, NULL), 0);
    for (int i = 0; i < 10; i++) {
        push(k, ring, place, i);
        do {
            rc = k->ring_pop(k, ring, &got, sizeof got, false, &seconds);
            k->narrow(k, to, from, 1024);
        } while (rc == -EAGAIN);
        assert_int_equal(rc, 0);
        assert_int_equal(got, i);
    }
    if (k->synchronise(k, &error)) {
        fail_msg("%s", error.text);
    }
    k->ring_close(k, ring);
    k->release(k, place);
    k->release(k, to);
    k->release(k, from);
    esp_kernels_close(k);
}

/* An earlier failure is returned, and the stream does not stay in recording mode. */
static void a_graph_is_not_begun_after_a_failure(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct esp_error error = {""};
    const struct esp_batch batch = {.members = 1, .sequences = 1, .context = 1};
    const struct esp_attention_forward wide = {.width = 300, .heads = 1};
    int *place = k->allocate(k, sizeof *place), put = 5, got = 0;
    k->attention_forward(k, &batch, &wide); /* heads wider than any kernel supports */
    assert_int_equal(k->capture_begin(k, &error), -EIO);
    assert_non_null(strstr(error.text, "wider than 256"));
    assert_int_equal(k->upload(k, place, &put, sizeof put), 0);
    assert_int_equal(k->download(k, &got, place, sizeof got), 0);
    assert_int_equal(got, put);
    k->release(k, place);
    esp_kernels_close(k);
}

static void a_request_beyond_the_memory_is_refused(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct esp_error error;
    size_t available, all;
    assert_int_equal(k->memory(k, &available, &all), 0);
    assert_true(available > 0 && available <= all);
    assert_null(k->allocate(k, all + 1));
    /* which is no failure of the device */
    assert_int_equal(k->synchronise(k, &error), 0);
    esp_kernels_close(k);
}

/* An operation fails once, with a message, when its workspace cannot be allocated. */
static void the_next_wait_returns_a_failure(void **state)
{
    (void)state;
    if (on_a_gpu()) {
        skip();
    }
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct esp_error error = {""};
    struct run r = start_run(
        k, ESP_PRECISION_FP32, (struct extents){.members = 1, .sequences = 1, .context = 64});
    send_control(&r);
    const struct esp_cross_entropy op = {.logits = input(&r, ACTIVATION, 64 * 8),
                                         .targets = add_tokens(&r, 64, 8, false),
                                         .loss = k->allocate(k, sizeof(struct esp_loss_sum)),
                                         .rows = {.count = 64},
                                         .vocabulary = 8,
                                         .vocabulary_padded = 8};
    size_t available, all;
    assert_int_equal(k->memory(k, &available, &all), 0);
    esp_emu_set_memory(all - available);
    k->cross_entropy(k, &r.batch, &op);
    esp_emu_set_memory(all);
    assert_int_equal(k->synchronise(k, &error), -ENOMEM);
    assert_non_null(strstr(error.text, "losses of rows"));
    assert_int_equal(k->synchronise(k, &error), 0);
    k->release(k, op.loss);
    end_run(&r);
    esp_kernels_close(k);
}

static void a_missing_device_is_refused(void **state)
{
    (void)state;
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32), *other = NULL;
    struct esp_error error;
    assert_int_equal(esp_kernels_open_as(99, ESP_PRECISION_AUTO, &other, &error), -ENODEV);
    assert_non_null(strstr(error.text, "cuda:99"));
    assert_int_equal(k->open_as(k, ESP_PRECISION_FP16, &other, &error), 0);
    assert_int_equal(other->precision, ESP_PRECISION_FP16);
    assert_int_equal(other->activation_bytes, 2);
    esp_kernels_close(other);
    esp_kernels_close(k);
}

/* A product of `rows` × 1 by 1 × 1. */
static void multiply(const struct esp_kernels *k, struct run *r, int in, int weight, int rows)
{
    k->linear_forward(k,
                      &r->batch,
                      &(struct esp_linear_forward){.in = r->slots[in].view,
                                                   .weight = r->slots[weight].view,
                                                   .out = r->slots[weight + 1].view,
                                                   .rows = {.count = rows},
                                                   .width_in = 1,
                                                   .width_out = 1});
}

/* With more shapes than plans are kept, a shape that is used all the time is planned only once.
 */
static void a_plan_in_use_is_kept_when_others_are_evicted(void **state)
{
    (void)state;
    const int shapes = 1024 + 200; /* more than ESP_CUDA_PLANS */
    if (on_a_gpu()) {
        skip();
    }
    struct esp_kernels *k = open_backend(ESP_PRECISION_FP32);
    struct run r =
        start_run(k,
                  ESP_PRECISION_FP32,
                  (struct extents){.members = 1, .sequences = 1, .context = shapes + 2});
    send_control(&r);
    const int in = r.count;
    add_slot(&r, ACTIVATION, INPUT, shapes + 2, 1, 0);
    const int weight = r.count;
    add_slot(&r, ACTIVATION, INPUT, 1, 1, 0);
    add_slot(&r, ACTIVATION, OUTPUT, shapes + 2, 0, 0);
    multiply(k, &r, in, weight, 1);
    const uint64_t before = esp_emu_heuristics();
    for (int i = 0; i < shapes; i++) {
        multiply(k, &r, in, weight, 2 + i);
        multiply(k, &r, in, weight, 1);
    }
    assert_int_equal(esp_emu_heuristics() - before, shapes);
    assert_int_equal(k->synchronise(k, NULL), 0);
    end_run(&r);
    esp_kernels_close(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_of_every_size_arrive),
        cmocka_unit_test(a_graph_runs_the_recorded_operations),
        cmocka_unit_test(snapshots_come_in_order),
        cmocka_unit_test(an_unfinished_snapshot_does_not_fail_the_next_launch),
        cmocka_unit_test(a_graph_is_not_begun_after_a_failure),
        cmocka_unit_test(a_plan_in_use_is_kept_when_others_are_evicted),
        cmocka_unit_test(a_request_beyond_the_memory_is_refused),
        cmocka_unit_test(the_next_wait_returns_a_failure),
        cmocka_unit_test(a_missing_device_is_refused),
    };
    cmocka_set_test_filter(getenv("ESPALIER_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
