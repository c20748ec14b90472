/* SPDX-License-Identifier: MIT */
/* What a simulator that embeds vmsim pays for a question, in ns of this host's CPU, as JSON: one reference a call
 * against batches, physical addresses alone against all that is known of a reference, and a look-up that does nothing.
 * The hot set is in the TLB, the cold one takes a walk for nearly every reference. */
#include "bench.h"
#include "vmsim/inspect.h"

enum { ASKED = 1024, HOT = 32, COLD = 16384, ROUNDS = 1000 };

static vmsim_access batch[ASKED];
static uint64_t physical[ASKED];
static struct vmsim_access_detail details[ASKED];

typedef void ask_fn(struct vmsim_machine *m, uint32_t task);

static void access_batch(struct vmsim_machine *m, uint32_t task) {
    struct vmsim_access_result r;
    vmsim_task_access(m, task, batch, ASKED, physical, &r);
}

static void access_one(struct vmsim_machine *m, uint32_t task) {
    struct vmsim_access_result r;
    for (size_t i = 0; i < ASKED; i++)
        vmsim_task_access(m, task, batch + i, 1, physical + i, &r);
}

static void detailed_batch(struct vmsim_machine *m, uint32_t task) {
    struct vmsim_access_result r;
    vmsim_task_access_detailed(m, task, batch, ASKED, details, sizeof *details, &r);
}

static void detailed_one(struct vmsim_machine *m, uint32_t task) {
    struct vmsim_access_result r;
    for (size_t i = 0; i < ASKED; i++)
        vmsim_task_access_detailed(m, task, batch + i, 1, details + i, sizeof *details, &r);
}

static void translate(struct vmsim_machine *m, uint32_t task) {
    struct vmsim_translation t;
    for (size_t i = 0; i < ASKED; i++)
        vmsim_task_translate(m, task, vmsim_access_va(batch[i]), VMSIM_LOAD, &t, sizeof t);
}

static double measure(struct vmsim_machine *m, uint32_t task, uint64_t base, uint64_t pages, ask_fn *ask) {
    uint64_t state = 1;
    double spent = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ASKED; i++)
            batch[i] = vmsim_access_make(base + random64(&state) % pages * 4096 + i % 512 * 8, 8, VMSIM_LOAD);
        spent -= now();
        ask(m, task);
        spent += now();
    }
    return spent * 1e9 / ASKED / ROUNDS;
}

static void asked(void) {
    static const char *const settings[] = {"machine.preset=skylake-sp", NULL};
    static const struct {
        const char *name;
        ask_fn *ask;
    } ways[] = {{"access_batch", access_batch},
                {"access_one", access_one},
                {"detailed_batch", detailed_batch},
                {"detailed_one", detailed_one},
                {"translate", translate}};
    struct vmsim_machine *m = boot_with("1GiB", settings);
    uint32_t task;
    vmsim_task_create(m, "t", 0, &task);
    const uint64_t base = (uint64_t)vmsim_task_mmap(m, task, 0, COLD * UINT64_C(4096), 3, 0x8022, 0, 0);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        printf("{\"bench\": \"embed_%s\", \"hot_ns\": %.1f, \"cold_ns\": %.1f}\n", ways[i].name,
               measure(m, task, base, HOT, ways[i].ask), measure(m, task, base, COLD, ways[i].ask));
    vmsim_machine_destroy(m);
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {{"asked", asked}};
    return bench_main(benches, sizeof benches / sizeof benches[0], argc, argv);
}
