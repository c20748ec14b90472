/* SPDX-License-Identifier: MIT */
/* The row of policies for huge pages, the built-in ones, and the check of what they answer. */
#include "vm/thp_policies.h"

#define POLICY(object, its_name, text)                                                                                 \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_THP, its_name, text, NULL, 0 }

/* ---- linux, always, never ---- */

/* The verdict that comes with the question is Linux's own. */
static int32_t linux_fault(void *context, const struct vmsim_thp_fault *f) {
    (void)context;
    return f->verdict;
}

static int32_t linux_scan(void *context, const struct vmsim_thp_range *r) {
    (void)context;
    return r->verdict;
}

static const struct vmsim_thp_policy thp_linux = {
    .policy = POLICY(thp_linux, "linux",
                     "Linux's: at the first fault where it is enabled, and by khugepaged up to max_ptes_none."),
    .fault = linux_fault,
    .scan = linux_scan};

static int32_t always_fault(void *context, const struct vmsim_thp_fault *f) {
    (void)context, (void)f;
    return VMSIM_THP_HUGE;
}

/* Those that are huge already stay. */
static int32_t always_scan(void *context, const struct vmsim_thp_range *r) {
    (void)context;
    return r->huge ? VMSIM_THP_LEAVE : VMSIM_THP_COLLAPSE;
}

static const struct vmsim_thp_policy thp_always = {
    .policy =
        POLICY(thp_always, "always", "At every first fault, advised or not, and of each range that khugepaged meets."),
    .fault = always_fault,
    .scan = always_scan};

static int32_t never_fault(void *context, const struct vmsim_thp_fault *f) {
    (void)context, (void)f;
    return VMSIM_THP_BASE;
}

static int32_t never_scan(void *context, const struct vmsim_thp_range *r) {
    (void)context, (void)r;
    return VMSIM_THP_LEAVE;
}

static const struct vmsim_thp_policy thp_never = {
    .policy = POLICY(thp_never, "never", "No huge page, whatever the switches say; MADV_COLLAPSE makes some still."),
    .fault = never_fault,
    .scan = never_scan};

/* ---- reserve ---- */

/* No room for a reservation: then the fault gets a base page, as FreeBSD's does. */
static int32_t reserve_fault(void *context, const struct vmsim_thp_fault *f) {
    (void)context, (void)f;
    return VMSIM_THP_RESERVE;
}

/* FreeBSD's superpages: Navarro, Iyer, Druschel, Cox, OSDI 2002. */
static const struct vmsim_thp_policy thp_reserve = {
    .policy = POLICY(thp_reserve, "reserve",
                     "As FreeBSD: the first fault reserves a huge block, each page is taken from it in place, and the "
                     "full block becomes a huge page; short memory breaks the oldest reservation."),
    .fault = reserve_fault,
    .scan = never_scan};

/* ---- utility ---- */

struct utility_params {
    uint64_t present, used, idle; /* percent, percent, scans */
};
#define AT(f) offsetof(struct utility_params, f)
static const struct vmsim_param utility_params[] = {
    {.name = "present",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(present),
     .fallback = "90",
     .max = 100,
     .doc = "Least part of a range that must be there, percent."},
    {.name = "used",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(used),
     .fallback = "50",
     .max = 100,
     .doc = "Least part of a range that must have been used since the last look, percent."},
    {.name = "low",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(idle),
     .fallback = "4",
     .min = 1,
     .doc =
         "Huge pages that nobody used since the last look are split when less than this many low watermarks are free."},
    {0}};
#undef AT

struct utility {
    const struct vmsim_policy_services *services;
    struct utility_params params;
};

/* Memory of a policy comes from the services, so that the machine can account for it. */
static int utility_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct utility *u = services->allocate(services->host, sizeof *u);
    if (!u)
        return VMSIM_ENOMEM;
    u->services = services;
    u->params = *(const struct utility_params *)params;
    *context = u;
    return 0;
}

static void utility_destroy(void *context) {
    struct utility *u = context;
    u->services->release(u->services->host, u, sizeof *u);
}

/* Each look forgets what was used before it, so that the next one sees what was used in between. */
static int32_t utility_scan(void *context, const struct vmsim_thp_range *r) {
    const struct utility_params *p = &((const struct utility *)context)->params;
    if (r->huge)
        return !r->referenced && r->free < p->idle * r->low ? VMSIM_THP_SPLIT : VMSIM_THP_AGE;
    const uint64_t present = r->pages - r->none - r->swap;
    return present * 100 >= p->present * r->pages && r->referenced * UINT64_C(100) >= p->used * r->pages
               ? VMSIM_THP_COLLAPSE
               : VMSIM_THP_AGE;
}

/* Ingens (Kwon et al., OSDI 2016) and HawkEye (Panwar et al., ASPLOS 2019). */
static const struct vmsim_thp_policy thp_utility = {
    .policy = {sizeof thp_utility, VMSIM_POLICY_ABI, VMSIM_POLICY_THP, "utility",
               "As Ingens and HawkEye: base pages at faults; khugepaged makes huge what is there and in use, by "
               "accessed bits, and takes idle huge pages apart when memory is short.",
               utility_params, sizeof(struct utility_params)},
    .create = utility_create,
    .destroy = utility_destroy,
    .fault = never_fault,
    .scan = utility_scan};

static const struct vmsim_policy *const built_in[] = {
    &thp_linux.policy,   &thp_always.policy,  &thp_never.policy,
    &thp_reserve.policy, &thp_utility.policy, NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__thp_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "thp", "Which memory gets huge pages, and when.", "linux"},
    .id = VMSIM_POLICY_THP,
    .size = sizeof(struct vmsim_thp_policy),
    .least = sizeof(struct vmsim_thp_policy),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_thp_policy, fault), VMSIM__POLICY_HOOK(vmsim_thp_policy, scan)},
    .create = VMSIM__POLICY_HOOK(vmsim_thp_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_thp_policy, destroy),
    .built_in = built_in};

/* ---- the questions ---- */

/* One instance for the machine: huge pages are nobody's in particular. */
int vmsim__thp_choice_create(struct vmsim__thp_choice *p, struct vmsim__policy_registry *policies,
                             const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err) {
    *p = (struct vmsim__thp_choice){0};
    int e = vmsim__policy_instance_start(&p->instance, policies, VMSIM_POLICY_THP, choice, seed, "thp", err);
    p->policy = (const void *)p->instance.policy;
    return e;
}

void vmsim__thp_choice_destroy(struct vmsim__thp_choice *p) {
    vmsim__policy_instance_fini(&p->instance);
    *p = (struct vmsim__thp_choice){0};
}

/* Linux's own is NULL: faults ask nobody then, and cost what they did. */
void vmsim__vm_set_thp_policy(struct vmsim__vm *vm, struct vmsim__thp_choice *choice) {
    vm->thp_policy = choice && choice->policy != &thp_linux ? choice : NULL;
}

/* Free base pages of the node, and those below which kswapd is woken. */
static void free_and_low(const struct vmsim__mem *mem, unsigned node, uint64_t *free, uint64_t *low) {
    *free = *low = 0;
    for (unsigned i = 0; i < mem->nodes[node].nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[mem->nodes[node].zone[i]];
        *free += (uint64_t)(z->stat[VMSIM__NR_FREE_PAGES] > 0 ? z->stat[VMSIM__NR_FREE_PAGES] : 0);
        *low += vmsim__zone_wmark(z, VMSIM__WMARK_LOW);
    }
}

enum vmsim_thp_size vmsim__thp_ask_fault(const struct vmsim__vma *v, uint64_t start, bool write, bool linux_verdict,
                                         unsigned cpu) {
    const struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__thp_choice *p = vm->thp_policy;
    VMSIM__ASSERT(p && start >= v->start && start < v->end);
    const enum vmsim_thp_size fallback = linux_verdict ? VMSIM_THP_HUGE : VMSIM_THP_BASE;
    struct vmsim_thp_fault f = {.size = sizeof f,
                                .verdict = (uint8_t)fallback,
                                .write = write,
                                .advised = v->flags & VMSIM__VM_HUGEPAGE,
                                .space = v->mm->id,
                                .address = start,
                                .area = v->end - v->start,
                                .node = vm->mem->cpu_node[cpu],
                                .cpu = cpu,
                                .now = vm->mem->now.time};
    free_and_low(vm->mem, f.node, &f.free, &f.low);
    const int32_t answer = p->policy->fault(p->instance.context, &f);
    if (answer >= 0 && answer < VMSIM_THP_SIZES)
        return (enum vmsim_thp_size)answer;
    vmsim__policy_fallback(&p->instance, "answered %d to a fault", answer);
    return fallback;
}

enum vmsim_thp_action vmsim__thp_ask_range(const struct vmsim__vma *v, uint64_t start, struct vmsim_thp_range r) {
    const struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__thp_choice *p = vm->thp_policy;
    VMSIM__ASSERT(p && r.verdict < VMSIM_THP_ACTIONS && r.pages);
    r.size = sizeof r;
    r.advised = v->flags & VMSIM__VM_HUGEPAGE;
    r.space = v->mm->id;
    r.address = start;
    r.now = vm->mem->now.time;
    free_and_low(vm->mem, 0, &r.free, &r.low);
    const int32_t answer = p->policy->scan(p->instance.context, &r);
    const bool fits = answer != (r.huge ? VMSIM_THP_COLLAPSE : VMSIM_THP_SPLIT);
    if (answer >= 0 && answer < VMSIM_THP_ACTIONS && fits)
        return (enum vmsim_thp_action)answer;
    vmsim__policy_fallback(&p->instance, "answered %d to a range", answer);
    return (enum vmsim_thp_action)r.verdict;
}
