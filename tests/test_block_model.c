/* SPDX-License-Identifier: MIT */
/* Random requests against a second implementation of the rules of block.h, written as plainly as can be: one array of
 * everything that ever was, searched from end to end for each decision.
 *
 * Beside it the properties themselves: no more in service than the depth, a link that is never over its bandwidth,
 * every transfer done once unless a fault keeps it, the same bytes from the same seed, however events are fed. */
#include "block_rig.h"

#define SUBMISSIONS 400
#define MODEL_MAX 4096
#define SECOND UINT64_C(1000000000)

/* ---- the model ---- */

enum model_state { WAITING, SERVED, OVER };
struct model_request {
    uint64_t position, bytes, arrived;
    int op, status;
    bool sync;
    enum model_state state;
    size_t parts[64], nr_parts; /* submissions */
};
struct model_event {
    uint64_t time;
    char kind; /* 'k', 'r', 'd'; 0: gone */
    size_t request;
};
static struct model {
    struct vmsim__block_params p;
    struct vmsim__block_fault faults[4];
    size_t nr_faults;
    struct model_request requests[MODEL_MAX];
    size_t nr_requests;
    struct model_event events[4 * MODEL_MAX];
    size_t nr_events;
    uint64_t controller, link, arm, head, passed, started, latest;
    bool kicked;
    struct {
        uint64_t cookie, time;
        int64_t left;
        int status;
    } submissions[SUBMISSIONS];
    struct rig_done done[SUBMISSIONS];
    size_t nr_done;
} model;

static void model_event(uint64_t time, char kind, size_t request) {
    assert_true(model.nr_events < TEST_COUNT(model.events));
    model.events[model.nr_events++] = (struct model_event){time, kind, request};
}
static size_t model_count(enum model_state state) {
    size_t n = 0;
    for (size_t i = 0; i < model.nr_requests; i++)
        n += model.requests[i].state == state;
    return n;
}

/* Newest first, eight of its own queue. Requests are in the array in the order of their arrival. */
static bool model_join(uint64_t position, uint64_t bytes, int op, bool sync, size_t submission) {
    static const int looks[] = {8, 1, 0};
    int left = looks[model.p.nomerges];
    for (size_t i = model.nr_requests; i-- && left;) {
        struct model_request *r = &model.requests[i];
        if (r->state != WAITING || r->sync != sync)
            continue;
        left--;
        if (r->op != op || (model.p.max_request && r->bytes + bytes > model.p.max_request))
            continue;
        if (r->position + r->bytes != position && position + bytes != r->position)
            continue;
        assert_true(r->nr_parts < 64);
        if (r->position + r->bytes == position) {
            r->parts[r->nr_parts] = submission;
        } else {
            memmove(r->parts + 1, r->parts, r->nr_parts * sizeof *r->parts);
            r->parts[0] = submission;
            r->position = position;
        }
        r->nr_parts++;
        r->bytes += bytes;
        return true;
    }
    return false;
}

static void model_submit(size_t submission, uint64_t now, const struct vmsim__block_io *io) {
    model.latest = now > model.latest ? now : model.latest;
    if (!model.kicked && model_count(SERVED) < model.p.queue_depth) {
        model.kicked = true;
        model_event(model.latest, 'k', 0);
    }
    model.submissions[submission].cookie = io->cookie;
    uint64_t most = model.p.max_request ? model.p.max_request : io->bytes;
    for (uint64_t at = 0; at < io->bytes; at += most) {
        uint64_t bytes = io->bytes - at < most ? io->bytes - at : most;
        model.submissions[submission].left++;
        if (model_join(io->position + at, bytes, (int)io->op, io->sync, submission))
            continue;
        assert_true(model.nr_requests < MODEL_MAX);
        model.requests[model.nr_requests++] = (struct model_request){.position = io->position + at,
                                                                     .bytes = bytes,
                                                                     .arrived = model.latest,
                                                                     .op = (int)io->op,
                                                                     .sync = io->sync,
                                                                     .parts = {submission},
                                                                     .nr_parts = 1};
    }
}

static uint64_t model_transfer(const struct model_request *r) {
    uint64_t bw = model.p.bandwidth[r->op];
    return bw ? (uint64_t)((unsigned __int128)r->bytes * SECOND / bw) : 0;
}

static uint64_t model_positioning(const struct model_request *r) {
    uint64_t from = model.head, to = r->position;
    if (!model.p.rpm || from == to)
        return 0;
    uint64_t distance = from < to ? to - from : from - to, root = 0;
    unsigned __int128 share = ((unsigned __int128)distance << 40) / model.p.size;
    for (uint64_t bit = 1 << 20; bit; bit >>= 1) {
        if ((unsigned __int128)(root + bit) * (root + bit) <= share)
            root += bit;
    }
    uint64_t moved = model.p.seek_min +
                     (uint64_t)(((unsigned __int128)(model.p.seek_max - model.p.seek_min) * root) / (1 << 20)) +
                     30 * SECOND / model.p.rpm;
    uint64_t passing = (uint64_t)((unsigned __int128)distance * SECOND / model.p.bandwidth[0]);
    return from < to && passing < moved ? passing : moved;
}

static struct vmsim__block_fault *model_fault(const struct model_request *r, uint64_t now) {
    for (size_t i = 0; i < model.nr_faults; i++) {
        struct vmsim__block_fault *f = &model.faults[i];
        bool op = f->op == VMSIM__BLOCK_FAULT_ANY || f->op == r->op + 1;
        bool touches = r->position + r->bytes > f->from && (f->to == 0 || r->position < f->to);
        if (f->count && op && touches && now >= f->at && model.started >= f->after)
            return f;
    }
    return NULL;
}

static void model_start(size_t i, uint64_t now) {
    struct model_request *r = &model.requests[i];
    uint64_t t = now;
    t = t < r->arrived ? r->arrived : t;
    t = t < model.controller ? model.controller : t;
    struct vmsim__block_fault *f = model_fault(r, t);
    model.controller = t += model.p.overhead[r->op];
    t += model.p.latency[r->op];
    if (model.p.rpm)
        t = (t < model.arm ? model.arm : t) + model_positioning(r);
    if (f && f->kind == VMSIM__BLOCK_STALL)
        t += f->delay;
    r->status = f && f->kind == VMSIM__BLOCK_ERROR ? -5 : 0;
    if (!f || f->kind != VMSIM__BLOCK_NEVER) {
        model_event(t, 'r', i);
        model.arm = t + model_transfer(r);
    }
    if (f)
        f->count--;
    bool others = false;
    for (size_t k = 0; k < model.nr_requests; k++)
        others |= model.requests[k].state == WAITING && !model.requests[k].sync;
    model.passed = r->sync && others ? model.passed + 1 : 0;
    r->state = SERVED;
    model.head = r->position + r->bytes;
    model.started++;
}

static void model_fill(uint64_t now) {
    while (model_count(SERVED) < model.p.queue_depth) {
        size_t oldest[2] = {SIZE_MAX, SIZE_MAX}; /* of those nobody waits for; of the others */
        for (size_t i = model.nr_requests; i--;) {
            if (model.requests[i].state == WAITING)
                oldest[model.requests[i].sync] = i;
        }
        size_t next = oldest[0] < oldest[1] ? oldest[0] : oldest[1];
        if (oldest[0] != SIZE_MAX && oldest[1] != SIZE_MAX && model.p.async_starved)
            next = oldest[model.passed < model.p.async_starved];
        if (next == SIZE_MAX)
            return;
        model_start(next, now);
    }
}

static void model_finish(size_t i, uint64_t now) {
    struct model_request *r = &model.requests[i];
    r->state = OVER;
    model_fill(now);
    for (size_t k = 0; k < r->nr_parts; k++) {
        size_t s = r->parts[k];
        if (!model.submissions[s].status)
            model.submissions[s].status = r->status;
        if (--model.submissions[s].left == 0)
            model.done[model.nr_done++] =
                (struct rig_done){model.submissions[s].cookie, now, model.submissions[s].status};
    }
}

static void model_run(uint64_t until) {
    for (;;) {
        struct model_event *e = NULL;
        for (size_t i = 0; i < model.nr_events; i++) {
            if (model.events[i].kind && (!e || model.events[i].time < e->time))
                e = &model.events[i];
        }
        if (!e || e->time > until)
            return;
        struct model_event now = *e;
        e->kind = 0;
        model.latest = now.time > model.latest ? now.time : model.latest;
        if (now.kind == 'k') {
            model.kicked = false;
            model_fill(now.time);
        } else if (now.kind == 'r' && model.p.bandwidth[model.requests[now.request].op]) {
            model.link = (model.link > now.time ? model.link : now.time) + model_transfer(&model.requests[now.request]);
            model_event(model.link, 'd', now.request);
        } else {
            model_finish(now.request, now.time);
        }
    }
}

/* ---- the workload ---- */

struct submission {
    uint64_t time;
    struct vmsim__block_io io;
};
static struct submission work[SUBMISSIONS];
static struct block_rig rig;

static uint64_t below(struct vmsim__rng *r, uint64_t n) {
    return vmsim__rng_below(r, n);
}

static void random_device(struct vmsim__rng *r, struct vmsim__block_params *p) {
    bool turns = below(r, 3) == 0;
    *p = (struct vmsim__block_params){.size = (1 + below(r, 1000)) << 30,
                                      .queue_depth = 1 + below(r, below(r, 2) ? 3 : 40),
                                      .latency = {below(r, 100000), below(r, 100000)},
                                      .overhead = {below(r, 4) ? below(r, 5000) : 0, below(r, 20000)},
                                      .bandwidth = {1 + below(r, 4 * SECOND), 1 + below(r, 4 * SECOND)},
                                      .max_request = UINT64_C(4096) << below(r, 8),
                                      .nomerges = below(r, 5) ? 0 : below(r, 3),
                                      .async_starved = below(r, 2) ? below(r, 5) : 0};
    if (turns) {
        p->rpm = 3600 + below(r, 12000);
        p->seek_min = below(r, 2000000);
        p->seek_max = p->seek_min + below(r, 20000000);
    } else if (below(r, 4) == 0) {
        p->bandwidth[below(r, 2)] = 0;
    }
    if (below(r, 5) == 0)
        p->max_request = 0;
}

/* Runs of neighbours, jumps, bursts at one time, pauses; a few from a little behind. */
static void random_work(struct vmsim__rng *r, const struct vmsim__block_params *p) {
    uint64_t time = 0, position = 0;
    for (size_t i = 0; i < SUBMISSIONS; i++) {
        uint64_t bytes = 512 * (1 + below(r, below(r, 10) ? 32 : 256));
        if (below(r, 3) == 0)
            position = below(r, p->size >> 9 << 9) >> 9 << 9;
        else if (below(r, 4) == 0 && position >= 2 * bytes)
            position -= 2 * bytes;
        position = position > p->size - bytes ? p->size - bytes : position;
        time += below(r, 3) ? 0 : below(r, below(r, 10) ? 50000 : 5000000);
        work[i].time = time > 1000 && below(r, 10) == 0 ? time - below(r, 1000) : time;
        work[i].io = (struct vmsim__block_io){.op = below(r, 3) ? VMSIM__BLOCK_READ : VMSIM__BLOCK_WRITE,
                                              .sync = below(r, 2),
                                              .position = position,
                                              .bytes = bytes,
                                              .cookie = i};
        position += position + bytes < p->size - (1 << 20) ? bytes : 0;
    }
}

static size_t random_faults(struct vmsim__rng *r, const struct vmsim__block_params *p,
                            struct vmsim__block_fault faults[4]) {
    size_t n = below(r, 2) ? below(r, 5) : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t from = below(r, 2) ? below(r, p->size) : 0;
        faults[i] = (struct vmsim__block_fault){.at = below(r, 2) ? below(r, 3000000) : 0,
                                                .after = below(r, 2) ? below(r, 100) : 0,
                                                .from = from,
                                                .to = below(r, 2) ? from + 1 + below(r, p->size) : 0,
                                                .op = (int)below(r, 3),
                                                .kind = (int)below(r, below(r, 3) ? 2 : 3),
                                                .count = 1 + below(r, 5)};
        faults[i].delay = faults[i].kind == VMSIM__BLOCK_STALL ? below(r, 10000000) : 0;
    }
    return n;
}

/* Feeds the work; with `cuts`, events are handled in arbitrary portions between submissions. */
static void feed(const struct vmsim__block_params *p, struct vmsim__block_fault *faults, size_t nr_faults,
                 struct vmsim__rng *cuts) {
    struct vmsim__block_spec spec = rig_spec(p);
    uint64_t latest = 0;
    spec.faults = (struct vmsim_param_list){faults, nr_faults};
    rig_start(&rig, &spec, 1);
    for (size_t i = 0; i < SUBMISSIONS; i++) {
        uint64_t time = work[i].time;
        while (cuts && time > latest && below(cuts, 2))
            rig_run(&rig, latest += below(cuts, time - latest + 1));
        latest = time > latest ? time : latest;
        rig_run(&rig, latest - (latest > 0)); /* what is due at the same time comes after: a burst is one event */
        rig.now = time;
        assert_int_equal(vmsim__block_submit(rig.block, 0, time, &work[i].io), 0);
        if (i % 16 == 0)
            rig_check(&rig);
    }
    rig_run(&rig, UINT64_MAX);
    rig_check(&rig);
}

static void feed_model(const struct vmsim__block_params *p, const struct vmsim__block_fault *faults, size_t nr_faults) {
    uint64_t latest = 0;
    memset(&model, 0, sizeof model);
    model.p = *p;
    model.nr_faults = nr_faults;
    memcpy(model.faults, faults, nr_faults * sizeof *faults);
    for (size_t i = 0; i < SUBMISSIONS; i++) {
        latest = work[i].time > latest ? work[i].time : latest;
        model_run(latest - (latest > 0));
        model_submit(i, work[i].time, &work[i].io);
    }
    model_run(UINT64_MAX);
}

static void compare_with_model(void) {
    assert_int_equal(rig.done.count, model.nr_done);
    for (size_t i = 0; i < model.nr_done; i++) {
        assert_int_equal(rig.done.at[i].cookie, model.done[i].cookie);
        assert_int_equal(rig.done.at[i].time, model.done[i].time);
        assert_int_equal(rig.done.at[i].status, model.done[i].status);
    }
}

/* Between two completions lies at least the link's time of what completed at the second (transfers that were cut left
 * parts of it to earlier ones). */
static void link_kept_its_bandwidth(const struct vmsim__block_params *p) {
    uint64_t before = 0;
    for (size_t i = 0; i < rig.done.count;) {
        uint64_t time = rig.done.at[i].time, need = 0;
        for (; i < rig.done.count && rig.done.at[i].time == time; i++) {
            const struct vmsim__block_io *io = &work[rig.done.at[i].cookie].io;
            uint64_t bw = p->bandwidth[io->op];
            if (bw && (!p->max_request || io->bytes <= p->max_request))
                need += (uint64_t)((unsigned __int128)io->bytes * SECOND / bw);
        }
        assert_true(time - before >= need);
        before = need ? time : before;
    }
}

static void counters_add_up(const struct vmsim__block_params *p, size_t nr_faults) {
    struct vmsim__block_stat s;
    size_t waiting = vmsim__block_waiting(rig.block, NULL, 0);
    vmsim__block_stat(rig.block, 0, rig.now, &s);
    assert_true(s.max_in_service <= p->queue_depth);
    assert_int_equal(rig.done.count + waiting, SUBMISSIONS);
    if (nr_faults)
        return;
    uint64_t bytes = 0;
    for (size_t i = 0; i < SUBMISSIONS; i++)
        bytes += work[i].io.bytes;
    assert_int_equal(waiting, 0);
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(s.bytes[0] + s.bytes[1], bytes);
    assert_int_equal(s.time[0] + s.time[1], s.weighted);
    assert_int_equal(s.errors[0] + s.errors[1], 0);
}

static void test_devices_do_as_the_model_does(void **state) {
    struct vmsim__rng r = test_rng("block model");
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct vmsim__block_params p;
        struct vmsim__block_fault faults[4];
        random_device(&r, &p);
        random_work(&r, &p);
        size_t nr_faults = random_faults(&r, &p, faults);
        feed(&p, faults, nr_faults, round % 2 ? &r : NULL);
        feed_model(&p, faults, nr_faults);
        compare_with_model();
        link_kept_its_bandwidth(&p);
        counters_add_up(&p, nr_faults);
        rig_end(&rig);
    }
}

static void test_the_same_work_gives_the_same_log_however_it_is_fed(void **state) {
    static struct rig_done first[SUBMISSIONS];
    struct vmsim__rng r = test_rng("block feeding");
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct vmsim__block_params p;
        struct vmsim__block_fault faults[4];
        random_device(&r, &p);
        random_work(&r, &p);
        size_t nr_faults = random_faults(&r, &p, faults), count = 0;
        for (int times = 0; times < 4; times++) {
            feed(&p, faults, nr_faults, times ? &r : NULL);
            if (!times) {
                count = rig.done.count;
                memcpy(first, rig.done.at, count * sizeof *first);
            }
            assert_int_equal(rig.done.count, count);
            assert_memory_equal(first, rig.done.at, count * sizeof *first);
            rig_end(&rig);
        }
    }
}

/* In each queue requests begin service in the order of their arrival: at depth 1, without joining, they end so. */
static void test_each_queue_is_first_in_first_out(void **state) {
    struct vmsim__rng r = test_rng("block fifo");
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct vmsim__block_params p;
        uint64_t last[2] = {0, 0};
        random_device(&r, &p);
        p.queue_depth = 1;
        p.nomerges = 2;
        random_work(&r, &p);
        feed(&p, NULL, 0, NULL);
        for (size_t i = 0; i < rig.done.count; i++) {
            uint64_t cookie = rig.done.at[i].cookie;
            assert_true(cookie >= last[work[cookie].io.sync]);
            last[work[cookie].io.sync] = cookie;
        }
        rig_end(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_devices_do_as_the_model_does),
        cmocka_unit_test(test_the_same_work_gives_the_same_log_however_it_is_fed),
        cmocka_unit_test(test_each_queue_is_first_in_first_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
