/* SPDX-License-Identifier: MIT */
/* Storage devices, rule by rule: service times to the nanosecond, joining, order, disks, faults, statistics. */
#include "block_rig.h"

#define READ VMSIM__BLOCK_READ
#define WRITE VMSIM__BLOCK_WRITE
#define KIB UINT64_C(1024)
#define GIB (UINT64_C(1) << 30)
#define MS UINT64_C(1000000)

static struct block_rig rig;

/* 1 ns of link a byte, so that times can be read off. */
static const struct vmsim__block_params plain = {.size = GIB,
                                                 .queue_depth = 1,
                                                 .latency = {1000, 500},
                                                 .overhead = {10, 20},
                                                 .bandwidth = {1000000000, 500000000},
                                                 .max_request = 64 * KIB};

static void start(struct vmsim__block_params p) {
    struct vmsim__block_spec spec = rig_spec(&p);
    rig_start(&rig, &spec, 1);
}

static struct vmsim__block_stat figures(void) {
    struct vmsim__block_stat s;
    vmsim__block_stat(rig.block, 0, rig.now, &s);
    return s;
}

/* ---- service ---- */

static void test_a_request_takes_overhead_latency_and_transfer(void **state) {
    (void)state;
    start(plain);
    rig_submit(&rig, 0, READ, 0, 4096, 1);
    assert_int_equal(figures().in_service, 0); /* service begins with an event */
    rig_run(&rig, 10 + 1000 + 4096 - 1);
    assert_int_equal(rig.done.count, 0);
    rig_run(&rig, 10 + 1000 + 4096);
    assert_int_equal(rig_done_at(&rig, 1), 5106);
    rig_submit(&rig, 0, WRITE, 0, 4096, 2);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 2), 5106 + 20 + 500 + 2 * 4096);
    rig_end(&rig);
}

static void test_one_at_a_time_is_the_sum(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.nomerges = 2;
    start(p);
    for (uint64_t i = 0; i < 10; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    rig_run(&rig, UINT64_MAX);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(rig_done_at(&rig, i), (i + 1) * 5106);
    assert_int_equal(figures().max_in_service, 1);
    assert_int_equal(figures().max_in_flight, 10);
    rig_end(&rig);
}

static void test_latencies_pass_side_by_side_and_the_link_serves_one(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.queue_depth = 4;
    start(p);
    for (uint64_t i = 0; i < 6; i++)
        rig_submit(&rig, 0, READ, i * 1000000, 2000, i);
    rig_run(&rig, UINT64_MAX);
    /* The controller lets one pass every 10 ns; the first is at the link at 1010. */
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(rig_done_at(&rig, i), 1010 + 2000 * (i + 1));
    /* The fifth takes the first's slot at 3010 and is at the link at 4020, which is busy until 9010. */
    assert_int_equal(rig_done_at(&rig, 4), 9010 + 2000);
    assert_int_equal(rig_done_at(&rig, 5), 9010 + 4000);
    assert_int_equal(figures().max_in_service, 4);
    rig_end(&rig);
}

static void test_the_controller_bounds_requests_a_second(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.queue_depth = 100;
    p.overhead[READ] = 700;
    p.latency[READ] = 300;
    start(p);
    for (uint64_t i = 0; i < 50; i++)
        rig_submit(&rig, 0, READ, i * 1000000, 512, i);
    rig_run(&rig, UINT64_MAX);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(rig_done_at(&rig, i), 700 * (i + 1) + 300 + 512);
    rig_end(&rig);
}

/* A write that is acknowledged sooner overtakes a read on the way to the link, which is busy with one of them only. */
static void test_the_link_takes_who_comes_first(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.queue_depth = 2;
    p.async_starved = 2;
    start(p);
    rig_submit(&rig, 0, READ, 0, 4096, 1);
    rig_submit(&rig, 0, WRITE, 0, 4096, 2);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 2), 10 + 20 + 500 + 8192);
    assert_int_equal(rig_done_at(&rig, 1), 10 + 20 + 500 + 8192 + 4096);
    rig_end(&rig);
}

static void test_no_bandwidth_means_no_time(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.bandwidth[READ] = 0;
    p.latency[READ] = p.overhead[READ] = 0;
    start(p);
    rig_submit(&rig, 0, READ, 0, 60 * KIB, 1);
    assert_int_equal(rig.done.count, 0); /* never before an event */
    rig_run(&rig, 0);
    assert_int_equal(rig_done_at(&rig, 1), 0);
    rig_end(&rig);
}

static void test_no_time_passes_the_latest(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.size = UINT64_C(1) << 60;
    p.bandwidth[READ] = 1;
    p.max_request = 0;
    start(p);
    rig_submit(&rig, 0, READ, 0, UINT64_C(1) << 60, 1);
    rig_submit(&rig, 0, READ, 4096, 4096, 2);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 1), VMSIM__BLOCK_LATEST);
    assert_int_equal(rig_done_at(&rig, 2), VMSIM__BLOCK_LATEST);
    rig_end(&rig);
}

static void test_a_submission_from_behind_counts_at_the_devices_time(void **state) {
    struct vmsim__block_io io = {.op = READ, .sync = true, .bytes = 1000, .cookie = 1};
    (void)state;
    start(plain);
    assert_int_equal(vmsim__block_submit(rig.block, 0, 5000, &io), 0);
    io.cookie = 2;
    io.position = 1 << 20;
    assert_int_equal(vmsim__block_submit(rig.block, 0, 4000, &io), 0);
    rig_check(&rig);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 1), 5000 + 2010);
    assert_int_equal(rig_done_at(&rig, 2), 5000 + 4020);
    rig_end(&rig);
}

static uint64_t resubmissions;
static void submit_again(struct block_rig *r, uint64_t cookie) {
    if (cookie < 100 && resubmissions++ < 5)
        rig_submit(r, 0, READ, cookie * 1000000, 1000, cookie + 1);
}

static void test_a_completion_may_submit(void **state) {
    (void)state;
    start(plain);
    rig.on_complete = submit_again;
    resubmissions = 0;
    rig_submit(&rig, 0, READ, 0, 1000, 0);
    rig_submit(&rig, 0, READ, 500000, 1000, 100); /* waits already: goes first */
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 0), 2010);
    assert_int_equal(rig_done_at(&rig, 100), 2 * 2010);
    for (uint64_t i = 1; i <= 5; i++)
        assert_int_equal(rig_done_at(&rig, i), (i + 2) * 2010);
    rig_end(&rig);
}

/* ---- joining and cutting ---- */

static void test_adjacent_requests_that_wait_are_joined(void **state) {
    (void)state;
    start(plain);
    rig_submit(&rig, 0, READ, 8192, 4096, 1);
    rig_submit(&rig, 0, READ, 12288, 4096, 2); /* behind */
    rig_submit(&rig, 0, READ, 4096, 4096, 3);  /* before */
    rig_submit(&rig, 0, READ, 100000, 4096, 4);
    rig_check(&rig);
    assert_int_equal(figures().in_flight, 2);
    rig_run(&rig, UINT64_MAX);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(rig_done_at(&rig, i), 1010 + 3 * 4096);
    assert_int_equal(rig_done_at(&rig, 4), 1010 + 3 * 4096 + 5106);
    assert_int_equal(rig.done.at[0].cookie, 3); /* in the order of their positions */
    assert_int_equal(figures().ios[READ], 2);
    assert_int_equal(figures().merges[READ], 2);
    assert_int_equal(figures().bytes[READ], 4 * 4096);
    rig_end(&rig);
}

static void test_what_is_in_service_or_of_another_kind_is_not_joined(void **state) {
    struct vmsim__block_io io = {.op = WRITE, .sync = true, .position = 8192, .bytes = 4096, .cookie = 4};
    (void)state;
    start(plain);
    rig_submit(&rig, 0, READ, 0, 4096, 1);
    rig_run(&rig, 5);
    rig_submit(&rig, 0, READ, 4096, 4096, 2);  /* 1 is in service */
    rig_submit(&rig, 0, WRITE, 8192, 4096, 3); /* a write */
    assert_int_equal(vmsim__block_submit(rig.block, 0, rig.now, &io), 0);
    assert_int_equal(figures().in_flight, 4);
    assert_int_equal(figures().merges[READ] + figures().merges[WRITE], 0);
    rig_run(&rig, UINT64_MAX);
    rig_end(&rig);
}

static void test_joining_stops_at_the_largest_request_and_after_eight(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.max_request = 8192;
    start(p);
    for (uint64_t i = 0; i < 3; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    assert_int_equal(figures().in_flight, 2);
    for (uint64_t i = 0; i < 7; i++) /* the second request is now the eighth from the end */
        rig_submit(&rig, 0, READ, (i + 10) * 100000, 512, 10 + i);
    rig_submit(&rig, 0, READ, 3 * 4096, 512, 3);
    assert_int_equal(figures().in_flight, 9);
    rig_submit(&rig, 0, READ, 5000000, 512, 20);
    rig_submit(&rig, 0, READ, 3 * 4096 + 512, 512, 4);
    assert_int_equal(figures().in_flight, 11);
    rig_run(&rig, UINT64_MAX);
    rig_end(&rig);
}

static void test_nomerges(void **state) {
    static const uint64_t in_flight[] = {2, 3, 4};
    (void)state;
    for (uint64_t mode = 0; mode <= 2; mode++) {
        struct vmsim__block_params p = plain;
        p.nomerges = mode;
        start(p);
        rig_submit(&rig, 0, READ, 0, 4096, 1);
        rig_submit(&rig, 0, READ, 4096, 4096, 2); /* joins the newest */
        rig_submit(&rig, 0, READ, 100000, 4096, 3);
        rig_submit(&rig, 0, READ, 8192, 4096, 4); /* joins one that is not the newest */
        assert_int_equal(figures().in_flight, in_flight[mode]);
        rig_run(&rig, UINT64_MAX);
        rig_end(&rig);
    }
}

static void test_a_long_transfer_is_cut_and_done_once(void **state) {
    struct vmsim__block_params p = plain;
    (void)state;
    p.queue_depth = 8;
    start(p);
    rig_submit(&rig, 0, READ, 4096, 200 * KIB, 7);
    assert_int_equal(figures().in_flight, 4);
    rig_check(&rig);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 1);
    assert_int_equal(rig_done_at(&rig, 7), 1010 + 200 * KIB);
    assert_int_equal(figures().ios[READ], 4);
    rig_end(&rig);
}

/* ---- order ---- */

static void order_of(uint64_t starved, const uint64_t *expected, size_t count) {
    struct vmsim__block_params p = plain;
    p.async_starved = starved;
    start(p);
    for (uint64_t i = 0; i < 2; i++)
        rig_submit(&rig, 0, WRITE, i * 1000000, 512, i);
    for (uint64_t i = 2; i < 8; i++)
        rig_submit(&rig, 0, READ, i * 1000000, 512, i);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(rig.done.at[i].cookie, expected[i]);
    rig_end(&rig);
}

static void test_who_is_waited_for_passes_a_bounded_number_of_times(void **state) {
    (void)state;
    order_of(0, (const uint64_t[]){0, 1, 2, 3, 4, 5, 6, 7}, 8);
    order_of(2, (const uint64_t[]){2, 3, 0, 4, 5, 1, 6, 7}, 8);
    order_of(100, (const uint64_t[]){2, 3, 4, 5, 6, 7, 0, 1}, 8);
}

/* ---- disks ---- */

static const struct vmsim__block_params disk = {.size = 1000 * GIB,
                                                .queue_depth = 4,
                                                .bandwidth = {1000000000, 1000000000},
                                                .rpm = 6000, /* half a turn: 5 ms */
                                                .seek_min = 1 * MS,
                                                .seek_max = 11 * MS,
                                                .max_request = 64 * KIB};

static void test_a_disk_reads_on_without_positioning(void **state) {
    (void)state;
    start(disk);
    for (uint64_t i = 0; i < 5; i++) {
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
        rig_run(&rig, UINT64_MAX);
        assert_int_equal(rig_done_at(&rig, i), (i + 1) * 4096);
    }
    rig_end(&rig);
}

static void test_a_seek_grows_with_the_root_of_the_distance(void **state) {
    (void)state;
    start(disk);
    rig_submit(&rig, 0, READ, 250 * GIB, 1000, 1); /* a quarter of the disk: half of the range */
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 1), 6 * MS + 5 * MS + 1000);
    rig_submit(&rig, 0, READ, 250 * GIB + 1000 + 250 * GIB, 1000, 2);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 2) - rig_done_at(&rig, 1), 6 * MS + 5 * MS + 1000);
    rig_submit(&rig, 0, READ, 500 * GIB + 1000, 1000, 3); /* the same place again: a turn is needed */
    rig_run(&rig, UINT64_MAX);
    assert_in_range(rig_done_at(&rig, 3) - rig_done_at(&rig, 2), 6 * MS, 6 * MS + 20000);
    rig_end(&rig);
}

static void test_a_short_gap_passes_below_the_head(void **state) {
    (void)state;
    start(disk);
    rig_submit(&rig, 0, READ, 1000000, 1000, 1);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 1), 1000000 + 1000);
    rig_end(&rig);
}

static void test_a_disk_has_one_arm(void **state) {
    (void)state;
    start(disk);
    for (uint64_t i = 0; i < 4; i++)
        rig_submit(&rig, 0, READ, i % 2 ? 0 : 250 * GIB, 1000, i);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 0), 11 * MS + 1000);
    for (uint64_t i = 1; i < 4; i++)
        assert_in_range(rig_done_at(&rig, i) - rig_done_at(&rig, i - 1), 11 * MS - 1000, 11 * MS + 2000);
    assert_int_equal(figures().max_in_service, 4);
    rig_end(&rig);
}

/* ---- faults ---- */

static void start_with(const struct vmsim__block_fault *faults, size_t count, uint64_t depth) {
    struct vmsim__block_params p = plain;
    p.queue_depth = depth;
    p.nomerges = 2;
    struct vmsim__block_spec spec = rig_spec(&p);
    spec.faults = (struct vmsim_param_list){(void *)(uintptr_t)faults, count};
    rig_start(&rig, &spec, 1);
}

static void test_errors_come_when_where_and_as_often_as_asked(void **state) {
    static const struct vmsim__block_fault faults[] = {
        {.kind = VMSIM__BLOCK_ERROR, .after = 2, .op = VMSIM__BLOCK_FAULT_READ, .count = 2},
        {.kind = VMSIM__BLOCK_ERROR, .error = 1, .from = 900000, .to = 904096, .op = VMSIM__BLOCK_FAULT_WRITE},
    };
    (void)state;
    start_with(faults, 2, 1);
    for (uint64_t i = 0; i < 6; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    rig_submit(&rig, 0, WRITE, 896000, 4096, 10); /* touches the range */
    rig_submit(&rig, 0, WRITE, 904096, 4096, 11); /* begins behind it */
    rig_submit(&rig, 0, WRITE, 900000, 512, 12);  /* count 0: every time */
    rig_submit(&rig, 0, READ, 900000, 512, 13);
    rig_run(&rig, UINT64_MAX);
    for (uint64_t i = 0; i < 6; i++) {
        assert_int_equal(rig_done(&rig, i)->status, i == 2 || i == 3 ? -5 : 0);
        assert_int_equal(rig_done(&rig, i)->time, (i + 1) * 5106); /* an error takes its time */
    }
    assert_int_equal(rig_done(&rig, 10)->status, -28);
    assert_int_equal(rig_done(&rig, 11)->status, 0);
    assert_int_equal(rig_done(&rig, 12)->status, -28);
    assert_int_equal(rig_done(&rig, 13)->status, 0);
    assert_int_equal(figures().errors[READ], 2);
    assert_int_equal(figures().errors[WRITE], 2);
    rig_end(&rig);
}

static void test_one_failed_piece_fails_the_transfer(void **state) {
    static const struct vmsim__block_fault fault = {.kind = VMSIM__BLOCK_ERROR, .after = 1, .count = 1};
    (void)state;
    start_with(&fault, 1, 1);
    rig_submit(&rig, 0, READ, 0, 200 * KIB, 1);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 1);
    assert_int_equal(rig_done(&rig, 1)->status, -5);
    assert_int_equal(figures().errors[READ], 1);
    assert_int_equal(figures().ios[READ], 4);
    rig_end(&rig);
}

static void test_a_stall_takes_longer_once(void **state) {
    static const struct vmsim__block_fault fault = {
        .kind = VMSIM__BLOCK_STALL, .at = 6000, .delay = 1000000, .count = 1};
    (void)state;
    start_with(&fault, 1, 1);
    for (uint64_t i = 0; i < 4; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done_at(&rig, 1), 2 * 5106); /* began at 5106 */
    assert_int_equal(rig_done_at(&rig, 2), 3 * 5106 + 1000000);
    assert_int_equal(rig_done_at(&rig, 3), 4 * 5106 + 1000000);
    rig_end(&rig);
}

static void test_who_hangs_on_a_device_can_be_told(void **state) {
    static const struct vmsim__block_fault fault = {.kind = VMSIM__BLOCK_NEVER, .count = 1};
    struct vmsim__block_waiter w[4];
    (void)state;
    start_with(&fault, 1, 1);
    rig_run(&rig, 777);
    rig_submit(&rig, 0, READ, 0, 200 * KIB, 42);
    rig_run(&rig, 888);
    rig_submit(&rig, 0, WRITE, 0, 4096, 43);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 0);
    assert_int_equal(vmsim__block_waiting(rig.block, NULL, 0), 2);
    assert_int_equal(vmsim__block_waiting(rig.block, w, 4), 2);
    assert_int_equal(w[0].cookie, 42);
    assert_int_equal(w[0].since, 777);
    assert_int_equal(w[0].device, 0);
    assert_int_equal(w[0].op, READ);
    assert_true(w[0].hung);
    assert_int_equal(w[1].cookie, 43);
    assert_int_equal(w[1].since, 888);
    assert_false(w[1].hung); /* it waits for its turn */
    uint32_t device = 9;
    assert_int_equal(vmsim__block_hung(rig.block, &device), 1);
    assert_int_equal(device, 0);
    rig_end(&rig);
}

static void test_with_a_slot_left_the_rest_goes_on(void **state) {
    static const struct vmsim__block_fault fault = {.kind = VMSIM__BLOCK_NEVER, .count = 1};
    (void)state;
    start_with(&fault, 1, 2);
    for (uint64_t i = 0; i < 5; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 4);
    assert_int_equal(vmsim__block_waiting(rig.block, NULL, 0), 1);
    assert_int_equal(
        vmsim__block_inject(rig.block, 0, &(struct vmsim__block_fault){.kind = VMSIM__BLOCK_ERROR, .count = 1}), 0);
    rig_submit(&rig, 0, READ, 0, 4096, 9);
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig_done(&rig, 9)->status, -5);
    rig_end(&rig);
}

/* ---- statistics ---- */

static void test_statistics_are_those_of_diskstats(void **state) {
    (void)state;
    start(plain);
    rig_run(&rig, 1000);
    rig_submit(&rig, 0, READ, 0, 4096, 1);
    rig_submit(&rig, 0, READ, 1000000, 4096, 2);
    rig_run(&rig, 2000);
    assert_int_equal(figures().in_flight, 2);
    assert_int_equal(figures().in_service, 1);
    assert_int_equal(figures().busy, 1000);
    assert_int_equal(figures().weighted, 2000);
    rig_run(&rig, 50000);
    assert_int_equal(figures().in_flight, 0);
    assert_int_equal(figures().busy, 2 * 5106);
    assert_int_equal(figures().weighted, 3 * 5106);
    assert_int_equal(figures().time[READ], 3 * 5106);
    assert_int_equal(figures().time[WRITE], 0);
    assert_int_equal(figures().ios[READ], 2);
    rig_end(&rig);
}

/* ---- host memory ---- */

static bool submit_step(struct vmsim__alloc *a, void *context) {
    struct vmsim__block_io io = {.op = READ, .sync = true, .bytes = 300 * KIB, .cookie = 5};
    (void)a, (void)context;
    int err = vmsim__block_submit(rig.block, 0, 0, &io);
    assert_true(err == 0 || err == VMSIM_ENOMEM);
    rig_check(&rig);
    assert_int_equal(figures().in_flight, err ? 0 : 5);
    return !err;
}

static void test_a_submission_without_memory_leaves_nothing(void **state) {
    (void)state;
    start(plain);
    assert_int_equal(vmsim__alloc_bytes(rig.alloc) > 0, 1);
    for (uint64_t n = 1; n < 10; n++) {
        vmsim__alloc_fail_after(rig.alloc, n);
        bool done = submit_step(rig.alloc, NULL);
        vmsim__alloc_fail_after(rig.alloc, UINT64_MAX);
        if (done) {
            assert_true(n > 3);
            break;
        }
    }
    rig_run(&rig, UINT64_MAX);
    assert_int_equal(rig.done.count, 1);
    rig_end(&rig);
}

/* Every event is refused its successors once, and given again. */
static void test_an_event_without_memory_can_be_given_again(void **state) {
    struct vmsim__block_params p = plain;
    struct vmsim__event e;
    (void)state;
    p.queue_depth = 3;
    p.nomerges = 2;
    start(p);
    for (uint64_t i = 0; i < 8; i++)
        rig_submit(&rig, 0, READ, i * 4096, 4096, i);
    while (vmsim__evq_pop(&rig.events, &e)) {
        rig.now = e.time;
        rig.refuse = true;
        int err = vmsim__block_event(rig.block, e.arg, e.time);
        rig.refuse = false;
        rig_check(&rig);
        if (err) {
            assert_int_equal(err, VMSIM_ENOMEM);
            assert_int_equal(vmsim__block_event(rig.block, e.arg, e.time), 0);
        }
    }
    assert_int_equal(rig.done.count, 8);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(rig_done_at(&rig, i), 1010 + (i + 1) * 4096);
    rig_end(&rig);
}

static bool create_step(struct vmsim__alloc *a, void *context) {
    static struct vmsim__block_fault faults[2] = {{.count = 1}, {.count = 1}};
    struct vmsim__block_spec specs[2] = {{.name = "sda"}, {.name = "sdb", .faults = {faults, 2}}};
    (void)context;
    struct vmsim__block *b =
        vmsim__block_create(a, specs, 2, &(struct vmsim__block_hooks){NULL, rig_schedule, rig_complete, NULL});
    vmsim__block_destroy(b);
    return b != NULL;
}

static void test_creation_without_memory(void **state) {
    struct vmsim__alloc *a = test_alloc();
    (void)state;
    assert_true(test_each_failure(a, create_step, NULL, 100) >= 5);
    test_alloc_end(a);
}

/* ---- descriptions ---- */

static void test_devices_have_names(void **state) {
    struct vmsim__block_spec specs[2] = {{.name = "sda"}, {.name = "nvme0n1", .preset = 2}};
    (void)state;
    rig_start(&rig, specs, 2);
    assert_int_equal(vmsim__block_devices(rig.block), 2);
    assert_int_equal(vmsim__block_find(rig.block, "nvme0n1"), 1);
    assert_int_equal(vmsim__block_find(rig.block, "sdc"), VMSIM__BLOCK_NO_DEVICE);
    assert_string_equal(vmsim__block_name(rig.block, 1), "nvme0n1");
    assert_int_equal(vmsim__block_params(rig.block, 0)->rpm, 7200);
    assert_int_equal(vmsim__block_params(rig.block, 1)->queue_depth, 128);
    rig_end(&rig);
    rig_start(&rig, NULL, 0); /* a machine without disks */
    assert_int_equal(vmsim__block_devices(rig.block), 0);
    rig_end(&rig);
}

static void test_a_description_lies_over_its_preset(void **state) {
    struct vmsim__block_params p;
    struct vmsim__block_spec spec = {.name = "sda", .preset = 0};
    (void)state;
    spec.own.rpm = 15000;
    spec.own.seek_min = 5; /* not given */
    for (const struct vmsim_param *q = vmsim__block_spec_params; q->name; q++) {
        if (!strcmp(q->name, "rpm"))
            *((bool *)&spec + q->present) = true;
    }
    vmsim__block_settle(&spec, &p);
    assert_int_equal(p.rpm, 15000);
    assert_int_equal(p.seek_min, 1 * MS);
    assert_int_equal(p.rotational, 1);
    spec.own.rpm = 0;
    vmsim__block_settle(&spec, &p);
    assert_int_equal(p.rotational, 0);
    spec = (struct vmsim__block_spec){.name = "vda", .preset = 4};
    vmsim__block_settle(&spec, &p); /* a virtio disk does not turn, but is not known not to */
    assert_int_equal(p.rpm, 0);
    assert_int_equal(p.rotational, 1);
}

static void test_what_cannot_be_is_told_with_its_key(void **state) {
    struct vmsim__block_fault f = {.count = 1};
    struct vmsim__block_spec spec = {.name = "sda", .faults = {&f, 1}};
    char key[64];
    (void)state;
    for (spec.preset = 0; vmsim__block_preset_names[spec.preset]; spec.preset++)
        assert_null(vmsim__block_judge(&spec, key, sizeof key));
    f.kind = VMSIM__BLOCK_STALL;
    spec.preset = 0;
    assert_non_null(strstr(vmsim__block_judge(&spec, key, sizeof key), "without a delay"));
    assert_string_equal(key, "faults[0].delay");
    f.kind = VMSIM__BLOCK_ERROR;
    f.from = 4096;
    f.to = 4096;
    assert_non_null(vmsim__block_judge(&spec, key, sizeof key));
    assert_string_equal(key, "faults[0].to");
    struct vmsim__block_params p = disk;
    p.seek_max = p.seek_min - 1;
    spec = rig_spec(&p);
    assert_non_null(vmsim__block_judge(&spec, key, sizeof key));
    assert_string_equal(key, "seek_max");
    p = disk;
    p.rpm = 0;
    spec = rig_spec(&p);
    assert_non_null(vmsim__block_judge(&spec, key, sizeof key));
    assert_string_equal(key, "rpm");
}

/* What the data sheets say that the presets are made of: one request alone, and as many a second as can be. */
static void test_presets_reach_their_data_sheets(void **state) {
    static const struct {
        const char *preset;
        enum vmsim__block_op op;
        uint64_t alone, a_second, mb_a_second;
    } sheet[] = {
        {"sata-ssd", READ, 110000, 72000, 500},
        {"sata-ssd", WRITE, 52000, 33000, 490},
        {"nvme", READ, 85000, 490000, 3200},
        {"nvme", WRITE, 30200, 38000, 1050},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(sheet); i++) {
        struct vmsim__block_spec spec = {.name = "d"};
        while (strcmp(vmsim__block_preset_names[spec.preset], sheet[i].preset) != 0)
            spec.preset++;
        rig_start(&rig, &spec, 1);
        rig_submit(&rig, 0, sheet[i].op, 0, 4096, 0);
        rig_run(&rig, UINT64_MAX);
        assert_in_range(rig_done_at(&rig, 0), sheet[i].alone - 50, sheet[i].alone + 50);
        uint64_t begin = rig.now;
        for (uint64_t n = 1; n <= 20000; n++)
            rig_submit(&rig, 0, sheet[i].op, n * 1000000, 4096, n);
        rig_run(&rig, UINT64_MAX);
        uint64_t ns = rig.now - begin, least = 20000 * UINT64_C(1000000000) / sheet[i].a_second;
        assert_in_range(ns, least * 99 / 100, least * 102 / 100);
        begin = rig.now;
        for (uint64_t n = 0; n < 1000; n++)
            rig_submit(&rig, 0, sheet[i].op, n * 1310720, 1310720, 30000 + n);
        rig_run(&rig, UINT64_MAX);
        least = 1310720 * UINT64_C(1000000) / sheet[i].mb_a_second;
        assert_in_range(rig.now - begin, least * 99 / 100, least * 102 / 100);
        rig_end(&rig);
    }
}

static void test_the_disk_preset_seeks_as_its_data_sheet_says(void **state) {
    struct vmsim__block_spec spec = {.name = "d"};
    struct vmsim__rng r;
    (void)state;
    rig_start(&rig, &spec, 1);
    vmsim__rng_seed_named(&r, 1, "seek");
    for (uint64_t n = 0; n < 20000; n++)
        rig_submit(&rig, 0, READ, vmsim__rng_below(&r, 4000000000000 - 512), 512, n);
    rig_run(&rig, UINT64_MAX);
    uint64_t each = rig.now / 20000; /* 8.2 ms of seek, 4.17 of rotation; overhead passes beside them */
    assert_in_range(each, 12200000, 12500000);
    rig_end(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_takes_overhead_latency_and_transfer),
        cmocka_unit_test(test_one_at_a_time_is_the_sum),
        cmocka_unit_test(test_latencies_pass_side_by_side_and_the_link_serves_one),
        cmocka_unit_test(test_the_controller_bounds_requests_a_second),
        cmocka_unit_test(test_the_link_takes_who_comes_first),
        cmocka_unit_test(test_no_bandwidth_means_no_time),
        cmocka_unit_test(test_no_time_passes_the_latest),
        cmocka_unit_test(test_a_submission_from_behind_counts_at_the_devices_time),
        cmocka_unit_test(test_a_completion_may_submit),
        cmocka_unit_test(test_adjacent_requests_that_wait_are_joined),
        cmocka_unit_test(test_what_is_in_service_or_of_another_kind_is_not_joined),
        cmocka_unit_test(test_joining_stops_at_the_largest_request_and_after_eight),
        cmocka_unit_test(test_nomerges),
        cmocka_unit_test(test_a_long_transfer_is_cut_and_done_once),
        cmocka_unit_test(test_who_is_waited_for_passes_a_bounded_number_of_times),
        cmocka_unit_test(test_a_disk_reads_on_without_positioning),
        cmocka_unit_test(test_a_seek_grows_with_the_root_of_the_distance),
        cmocka_unit_test(test_a_short_gap_passes_below_the_head),
        cmocka_unit_test(test_a_disk_has_one_arm),
        cmocka_unit_test(test_errors_come_when_where_and_as_often_as_asked),
        cmocka_unit_test(test_one_failed_piece_fails_the_transfer),
        cmocka_unit_test(test_a_stall_takes_longer_once),
        cmocka_unit_test(test_who_hangs_on_a_device_can_be_told),
        cmocka_unit_test(test_with_a_slot_left_the_rest_goes_on),
        cmocka_unit_test(test_statistics_are_those_of_diskstats),
        cmocka_unit_test(test_a_submission_without_memory_leaves_nothing),
        cmocka_unit_test(test_an_event_without_memory_can_be_given_again),
        cmocka_unit_test(test_creation_without_memory),
        cmocka_unit_test(test_devices_have_names),
        cmocka_unit_test(test_a_description_lies_over_its_preset),
        cmocka_unit_test(test_what_cannot_be_is_told_with_its_key),
        cmocka_unit_test(test_presets_reach_their_data_sheets),
        cmocka_unit_test(test_the_disk_preset_seeks_as_its_data_sheet_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
