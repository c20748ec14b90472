/* SPDX-License-Identifier: MIT */
/* The pass itself: series are made, references become touches of pages, pages are sampled. */
#include <string.h>

#include "analysis/analysis.h"
#include "base/util.h"

#define SPACE_SHIFT 45 /* 57 bits of address less a page of 4096 */
#define SPACES (1u << (64 - SPACE_SHIFT))
#define TASKS_MAX (1u << 20)
#define KINDS_ALL 15u

/* ---- making ---- */

/* Of another size: a caller built against another header, of whose fields nothing is known. */
static const char *bad_options(const struct vmsim_curve_options *o) {
    if (o->size != sizeof *o)
        return "options of another version";
    if (o->page_size_count > VMSIM_CURVE_PAGE_SIZES)
        return "too many page sizes";
    for (uint32_t i = 0; i < o->page_size_count; i++) {
        if (!vmsim__is_pow2(o->page_sizes[i]) || o->page_sizes[i] < 4096)
            return "a page size is a power of two from 4096 on";
    }
    if (o->sample > VMSIM_CURVE_ALL || o->kinds > KINDS_ALL)
        return "a share above all";
    if (o->sets && (!vmsim__is_pow2(o->sets) || o->sets > VMSIM_CURVE_SETS))
        return "sets are a power of two up to 4096";
    return NULL;
}

static void fill_defaults(struct vmsim_curve_options *o) {
    if (!o->page_size_count) {
        o->page_sizes[0] = 4096;
        o->page_size_count = 1;
    }
    o->kinds = o->kinds ? o->kinds : KINDS_ALL;
    o->sample = o->sample ? o->sample : VMSIM_CURVE_ALL;
    o->sets = o->sets ? o->sets : 1024;
}

static void free_series(struct vmsim_curve *c, struct vmsim__curve_series *s) {
    vmsim__stack_fini(&s->stack);
    vmsim__vec_fini(c->alloc, &s->distances);
    vmsim__reuse_fini(c->alloc, &s->reuse);
    vmsim__tlb_sets_fini(c->alloc, &s->sets);
    vmsim__free(c->alloc, s, sizeof *s);
}

static bool add_series(struct vmsim_curve *c, uint32_t task, uint64_t page_size) {
    struct vmsim__curve_series *s = vmsim__calloc(c->alloc, 1, sizeof *s);
    if (!s)
        return false;
    s->task = task;
    s->page_shift = vmsim__log2(page_size);
    vmsim__stack_init(&s->stack, c->alloc);
    if ((!vmsim__curve_samples(c) && !vmsim__tlb_sets_init(c->alloc, &s->sets, c->options.sets)) ||
        !vmsim__vec_push(c->alloc, &c->series, s)) {
        free_series(c, s);
        return false;
    }
    return true;
}

/* One for each page size, or none. */
static bool add_row(struct vmsim_curve *c, uint32_t task) {
    size_t before = c->series.count;
    for (uint32_t i = 0; i < c->options.page_size_count; i++) {
        if (add_series(c, task, c->options.page_sizes[i]))
            continue;
        while (c->series.count > before)
            free_series(c, c->series.at[--c->series.count]);
        return false;
    }
    return true;
}

/* A row for all tasks together is there from the start; those of single tasks come when they are met. */
int vmsim_curve_create(const struct vmsim_curve_options *options, struct vmsim_curve **out) {
    if (!out)
        return VMSIM_EINVAL;
    struct vmsim_curve_options o = {.size = sizeof o};
    *out = NULL;
    if (options && bad_options(options))
        return VMSIM_EINVAL;
    o = options ? *options : o;
    fill_defaults(&o);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim_curve *c = alloc ? vmsim__calloc(alloc, 1, sizeof *c) : NULL;
    if (!c) {
        if (alloc)
            vmsim__alloc_destroy(alloc);
        return VMSIM_ENOMEM;
    }
    c->alloc = alloc;
    c->options = o;
    if (!add_row(c, VMSIM_CURVE_ALL_TASKS)) {
        vmsim_curve_destroy(c);
        return VMSIM_ENOMEM;
    }
    *out = c;
    return 0;
}

void vmsim_curve_destroy(struct vmsim_curve *c) {
    if (!c)
        return;
    struct vmsim__alloc *alloc = c->alloc;
    for (size_t i = 0; i < c->series.count; i++)
        free_series(c, c->series.at[i]);
    vmsim__vec_fini(alloc, &c->series);
    for (size_t i = 0; i < c->tasks.count; i++) {
        if (c->tasks.at[i].name)
            vmsim__strfree(alloc, c->tasks.at[i].name);
    }
    vmsim__vec_fini(alloc, &c->tasks);
    vmsim__free(alloc, c, sizeof *c);
    size_t left = vmsim__alloc_destroy(alloc);
    VMSIM__ASSERT(!left);
    (void)left;
}

const char *vmsim_curve_error(const struct vmsim_curve *c) {
    if (!c)
        return "";
    return vmsim__err_text(&c->err);
}

static int no_memory(struct vmsim_curve *c) {
    return vmsim__err_set(&c->err, VMSIM_ENOMEM, "out of host memory");
}

/* The task, made when it is new; NULL: no host memory. Tasks come in runs, so the last one is looked at first. */
static struct vmsim__curve_task *find_task(struct vmsim_curve *c, uint32_t task, const char *name) {
    for (size_t i = c->tasks.count; i-- > 0;) {
        if (c->tasks.at[i].task == task)
            return &c->tasks.at[i];
    }
    struct vmsim__curve_task t = {.task = task};
    if (!vmsim__vec_reserve(c->alloc, &c->tasks, c->tasks.count + 1))
        return NULL;
    t.name = name ? vmsim__strdup(c->alloc, name) : NULL;
    if (name && !t.name)
        return NULL;
    t.series = c->options.per_task ? (uint32_t)c->series.count : 0;
    if (c->options.per_task && !add_row(c, task)) {
        if (t.name)
            vmsim__strfree(c->alloc, t.name);
        return NULL;
    }
    c->tasks.at[c->tasks.count] = t;
    return &c->tasks.at[c->tasks.count++];
}

/* ---- touches ---- */

/* splitmix64's finish: which pages are kept and in which group is a function of the page alone. */
static uint64_t hash(uint64_t x) {
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* distances[slot]++, the array grown as far. */
static bool count_distance(struct vmsim_curve *c, struct vmsim__curve_series *s, uint64_t slot) {
    if (slot >= s->distances.count) {
        if (!vmsim__vec_reserve(c->alloc, &s->distances, slot + 1))
            return false;
        memset(s->distances.at + s->distances.count, 0, (slot + 1 - s->distances.count) * sizeof *s->distances.at);
        s->distances.count = slot + 1;
    }
    s->distances.at[slot]++;
    return true;
}

/* A page that the sample leaves out costs its hash and nothing else; those that are kept go through the stack, the
 * reuse counts and the sets alike. */
static bool touch(struct vmsim_curve *c, struct vmsim__curve_series *s, uint64_t key) {
    bool samples = vmsim__curve_samples(c);
    uint64_t h = samples ? hash(key) : 0, distance;
    uint32_t index;
    s->touches++;
    if (samples && (h >> 32) * VMSIM_CURVE_ALL >> 32 >= c->options.sample)
        return true;
    if (!vmsim__stack_use(&s->stack, key, &distance, &index) ||
        !vmsim__reuse_touch(c->alloc, &s->reuse, index, s->touches))
        return false;
    s->sampled++;
    vmsim__tlb_sets_use(&s->sets, key);
    if (distance == VMSIM__STACK_COLD) {
        s->cold++;
        s->group_cold[h % VMSIM__CURVE_GROUPS]++;
        return true;
    }
    return count_distance(c, s, samples ? distance * VMSIM__CURVE_GROUPS + h % VMSIM__CURVE_GROUPS : distance);
}

/* The pages of one reference. The address space stands above the page's number in the key, so that equal addresses
 * of two programs are two pages. */
static bool refer(struct vmsim_curve *c, struct vmsim__curve_series *s, uint64_t space, vmsim_access a) {
    const uint64_t mask = (UINT64_C(1) << SPACE_SHIFT) - 1;
    uint64_t va = vmsim_access_va(a), first = va >> s->page_shift & mask;
    uint64_t last = (va + vmsim_access_bytes(a) - 1) >> s->page_shift & mask;
    return touch(c, s, space << SPACE_SHIFT | first) && (first == last || touch(c, s, space << SPACE_SHIFT | last));
}

/* One pass for each page size over the same batch, which is in the host's cache by then. */
static bool refer_all(struct vmsim_curve *c, struct vmsim__curve_series *const *row, uint64_t space,
                      const vmsim_access *accesses, size_t count) {
    for (uint32_t p = 0; p < c->options.page_size_count; p++) {
        for (size_t i = 0; i < count; i++) {
            if (c->options.kinds >> vmsim_access_kind(accesses[i]) & 1 && !refer(c, row[p], space, accesses[i]))
                return false;
        }
    }
    return true;
}

/* Once memory for a touch was lacking the counts are of part of a trace: every later call says so. */
int vmsim_curve_add(struct vmsim_curve *c, uint32_t task, uint32_t space, const char *name,
                    const vmsim_access *accesses, size_t count) {
    if (!c)
        return VMSIM_EINVAL;
    if (c->broken)
        return no_memory(c);
    if (task == VMSIM_CURVE_ALL_TASKS)
        return vmsim__err_set(&c->err, VMSIM_EINVAL, "%u is no number of a task", task);
    if (space >= SPACES)
        return vmsim__err_set(&c->err, VMSIM_ELIMIT, "more than %u address spaces", SPACES);
    if (!count)
        return 0;
    const struct vmsim__curve_task *t = find_task(c, task, name);
    if (!t)
        return no_memory(c);
    bool done = refer_all(c, c->series.at, space, accesses, count) &&
                (!t->series || refer_all(c, c->series.at + t->series, space, accesses, count));
    c->broken = !done;
    c->references += count;
    return done ? 0 : no_memory(c);
}

/* ---- series ---- */

uint32_t vmsim_curve_series_count(const struct vmsim_curve *c) {
    if (!c)
        return 0;
    return (uint32_t)c->series.count;
}

/* "" for all tasks together, and for one without a name. */
static const char *name_of(const struct vmsim_curve *c, uint32_t task) {
    for (size_t i = 0; i < c->tasks.count; i++) {
        if (c->tasks.at[i].task == task && c->tasks.at[i].name)
            return c->tasks.at[i].name;
    }
    return "";
}

/* A number of the sample as one of everything. */
static uint64_t scaled(const struct vmsim_curve *c, uint64_t n) {
    return (uint64_t)((unsigned __int128)n * VMSIM_CURVE_ALL / c->options.sample);
}

/* Distances that occurred: one more than the largest. */
static uint64_t depth(const struct vmsim_curve *c, const struct vmsim__curve_series *s) {
    return vmsim__curve_samples(c) ? (s->distances.count + VMSIM__CURVE_GROUPS - 1) / VMSIM__CURVE_GROUPS
                                   : s->distances.count;
}

/* Row 0 is all tasks together. */
int vmsim_curve_get_series(const struct vmsim_curve *c, uint32_t index, struct vmsim_curve_series *out) {
    if (!c || !out)
        return VMSIM_EINVAL;
    if (index >= c->series.count)
        return VMSIM_EINVAL;
    const struct vmsim__curve_series *s = c->series.at[index];
    *out = (struct vmsim_curve_series){.task = s->task,
                                       .name = name_of(c, s->task),
                                       .page_size = UINT64_C(1) << s->page_shift,
                                       .touches = s->touches,
                                       .sampled = s->sampled,
                                       .pages = vmsim__stack_keys(&s->stack),
                                       .footprint = scaled(c, vmsim__stack_keys(&s->stack)),
                                       .peak = scaled(c, depth(c, s))};
    return 0;
}

/* ---- misses ---- */

/* First distance at which a memory of so many pages misses. Of a sample, a distance stands for so many times more. */
static uint64_t first_miss(const struct vmsim_curve *c, uint64_t pages) {
    unsigned __int128 scaled_down = (unsigned __int128)pages * c->options.sample;
    uint64_t d = (uint64_t)(scaled_down / VMSIM_CURVE_ALL);
    return d + (scaled_down % VMSIM_CURVE_ALL != 0);
}

/* First touches miss in any memory. Never more than there were touches: what the sample's scale makes of it may be. */
uint64_t vmsim_curve_misses(const struct vmsim_curve *c, uint32_t series, uint64_t pages) {
    if (!c)
        return 0;
    VMSIM__ASSERT(series < c->series.count);
    const struct vmsim__curve_series *s = c->series.at[series];
    uint64_t misses = s->cold, from = first_miss(c, pages);
    from = vmsim__curve_samples(c) && from < UINT64_MAX / VMSIM__CURVE_GROUPS ? from * VMSIM__CURVE_GROUPS : from;
    for (uint64_t d = from; d < s->distances.count; d++)
        misses += s->distances.at[d];
    return vmsim__min64(scaled(c, misses), s->touches);
}

/* Misses of each group of sampled pages, in touches of the sample; their sum. */
static uint64_t misses_by_group(const struct vmsim__curve_series *s, uint64_t from,
                                uint64_t misses[VMSIM__CURVE_GROUPS]) {
    uint64_t sum = 0;
    memcpy(misses, s->group_cold, sizeof s->group_cold);
    for (uint64_t i = from * VMSIM__CURVE_GROUPS; i < s->distances.count; i++)
        misses[i % VMSIM__CURVE_GROUPS] += s->distances.at[i];
    for (unsigned g = 0; g < VMSIM__CURVE_GROUPS; g++)
        sum += misses[g];
    return sum;
}

/* Which pages were kept: a jackknife. With G groups, leaving group g out makes the estimate (M - M_g) * G / (G - 1);
 * the variance is (G - 1) / G times the sum of squares of how far these are off their mean, M: sum of (M - G * M_g)^2 /
 * (G * (G - 1)) */
static unsigned __int128 variance_of_pages(const struct vmsim__curve_series *s, uint64_t from) {
    const uint64_t groups = VMSIM__CURVE_GROUPS;
    uint64_t misses[VMSIM__CURVE_GROUPS], sum = misses_by_group(s, from, misses);
    unsigned __int128 squares = 0;
    for (uint64_t g = 0; g < groups; g++) {
        uint64_t times = misses[g] * groups, off = times > sum ? times - sum : sum - times;
        squares += (unsigned __int128)off * off;
    }
    return squares / (groups * (groups - 1));
}

/* How far distances are off: of d pages that were to be kept, sqrt(d) more or fewer are; so many more or fewer touches
 * miss. */
static uint64_t deviation_of_distances(const struct vmsim__curve_series *s, uint64_t from) {
    uint64_t by = vmsim__isqrt(from) + 1, unused[VMSIM__CURVE_GROUPS];
    uint64_t more = misses_by_group(s, from > by ? from - by : 0, unused);
    return (more - misses_by_group(s, from + by, unused)) / 2;
}

/* The two go together, so they are added as they are: too few pages among those kept mean too few misses of their own
 * and too short distances of the others. */
uint32_t vmsim_curve_deviation(const struct vmsim_curve *c, uint32_t series, uint64_t pages) {
    if (!c)
        return 0;
    VMSIM__ASSERT(series < c->series.count);
    const struct vmsim__curve_series *s = c->series.at[series];
    if (!vmsim__curve_samples(c) || !s->touches)
        return 0;
    uint64_t from = vmsim__min64(first_miss(c, pages), depth(c, s));
    unsigned __int128 variance = variance_of_pages(s, from);
    if (variance > UINT64_MAX)
        return VMSIM_CURVE_ALL;
    uint64_t off = scaled(c, vmsim__isqrt((uint64_t)variance) + deviation_of_distances(s, from));
    return (uint32_t)vmsim__min64((uint64_t)((unsigned __int128)off * VMSIM_CURVE_ALL / s->touches), VMSIM_CURVE_ALL);
}

/* Not of a sample: pages that are left out would have shared the sets. */
uint64_t vmsim_curve_tlb_misses(const struct vmsim_curve *c, uint32_t series, uint32_t sets, uint32_t ways) {
    if (!c)
        return 0;
    VMSIM__ASSERT(series < c->series.count);
    const struct vmsim__curve_series *s = c->series.at[series];
    if (vmsim__curve_samples(c) || !vmsim__is_pow2(sets) || sets > c->options.sets || !ways || ways > VMSIM_CURVE_WAYS)
        return UINT64_MAX;
    return s->touches - vmsim__tlb_sets_hits(&s->sets, sets, ways);
}

/* ---- windows ---- */

_Static_assert(VMSIM_CURVE_WINDOWS == VMSIM__REUSE_BUCKETS, "windows are told at the bounds of buckets");
_Static_assert(VMSIM_CURVE_WAYS == VMSIM__TLB_SETS_WAYS, "all ways that are kept are told");

/* Touches are scaled by what was kept of touches, not of pages: one hot page more or less makes the two differ. */
static uint64_t share_of_touches(const struct vmsim__curve_series *s, uint64_t n) {
    return s->sampled ? (uint64_t)((unsigned __int128)n * s->touches / s->sampled) : 0;
}

bool vmsim_curve_get_window(const struct vmsim_curve *c, uint32_t series, uint32_t index,
                            struct vmsim_curve_window *out) {
    if (!c || !out)
        return false;
    VMSIM__ASSERT(series < c->series.count);
    const struct vmsim__curve_series *s = c->series.at[series];
    struct vmsim__reuse_histogram ends;
    *out = (struct vmsim_curve_window){0};
    if (index >= VMSIM_CURVE_WINDOWS || vmsim__reuse_bound(index) > s->touches)
        return false;
    vmsim__reuse_ends(&s->reuse, s->touches, &ends);
    out->touches = vmsim__reuse_bound(index);
    uint64_t most = out->touches < UINT64_MAX / 1000 ? out->touches * 1000 : UINT64_MAX;
    out->footprint = vmsim__min64(most, scaled(c, vmsim__reuse_footprint(&s->reuse, &ends, s->touches, index)));
    out->working_set = vmsim__min64(most, scaled(c, vmsim__reuse_working_set(&s->reuse, &ends, s->touches, index)));
    out->reuses = share_of_touches(s, s->reuse.between.count[index]);
    return true;
}
