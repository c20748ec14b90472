/* SPDX-License-Identifier: MIT */
/* Scenarios that replay one trace, side by side, with one decoder (trace/feed.h).
 *
 *     thread 0   runs scenario 0 until it is through with a chunk -----------+            +--> ...
 *     thread 1                         runs scenario 1, through with it -----+--> decodes +
 *                                                                    the last of them
 *
 * A replay is deep in the machine's calls when it wants its next item, so each has a stack of its own: a thread. The
 * turn goes around, and who has it is the only one at work, so nothing of the library need be shared by threads. Turns
 * depend on nothing but how many references a chunk has, and no scenario sees another. */
#include <pthread.h>

#include "scenario/engine.h"
#include "scenario/replay.h"
#include "trace/feed.h"

#define NOBODY SIZE_MAX
#define NOT_RUN 1 /* no result of a run */

struct member {
    struct party *party;
    struct vmsim_scenario *scenario;
    size_t index; /* in the party */
    bool over;
    int result;
    pthread_t thread;
    pthread_cond_t turn_came;
};

struct party {
    pthread_mutex_t lock;
    size_t turn; /* member at work; NOBODY: before the first, and after the last */
    size_t count;
    struct member *members;
    struct vmsim__feed feed;
};

/* The lock is held. */
static void pass_on(struct party *p, size_t from) {
    p->turn = NOBODY;
    for (size_t i = 1; i <= p->count && p->turn == NOBODY; i++) {
        const size_t next = (from + i) % p->count;
        if (!p->members[next].over)
            p->turn = next;
    }
    if (p->turn != NOBODY)
        pthread_cond_signal(&p->members[p->turn].turn_came);
}

static void await_turn(struct member *m) {
    while (m->party->turn != m->index)
        pthread_cond_wait(&m->turn_came, &m->party->lock);
}

/* Of the feed: this one is ahead of others. */
static void yield(void *context) {
    struct member *m = context;
    pthread_mutex_lock(&m->party->lock);
    VMSIM__ASSERT(m->party->turn == m->index);
    pass_on(m->party, m->index);
    await_turn(m);
    pthread_mutex_unlock(&m->party->lock);
}

static void *work(void *context) {
    struct member *m = context;
    pthread_mutex_lock(&m->party->lock);
    await_turn(m);
    pthread_mutex_unlock(&m->party->lock);
    m->result = vmsim_scenario_run(m->scenario, NULL, NULL);
    vmsim__feed_leave(m->scenario->replays.at[0]->reader);
    pthread_mutex_lock(&m->party->lock);
    m->over = true;
    pass_on(m->party, m->index);
    pthread_mutex_unlock(&m->party->lock);
    return NULL;
}

/* A scenario with several traces could wait for others at one while these wait for it at another. */
static bool may_join(const struct vmsim_scenario *s) {
    return s && !s->ran && s->replays.count == 1;
}

/* All that join stand at their first turn, which nobody has yet. */
static bool join(struct party *p, struct vmsim_scenario *s) {
    VMSIM__ASSERT(p->turn == NOBODY);
    struct member *m = &p->members[p->count];
    *m = (struct member){.party = p, .scenario = s, .index = p->count};
    pthread_cond_init(&m->turn_came, NULL);
    if (vmsim__feed_join(&p->feed, s->replays.at[0]->reader, m)) {
        if (!pthread_create(&m->thread, NULL, work, m)) {
            p->count++;
            return true;
        }
        vmsim__feed_leave(s->replays.at[0]->reader);
    }
    pthread_cond_destroy(&m->turn_came);
    return false;
}

static void run_party(struct party *p) {
    pthread_mutex_lock(&p->lock);
    pass_on(p, p->count - 1);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->count; i++) {
        pthread_join(p->members[i].thread, NULL);
        pthread_cond_destroy(&p->members[i].turn_came);
    }
    VMSIM__ASSERT(p->turn == NOBODY && !p->feed.members);
}

/* From `first` on, those that have not run and replay what it does; their results go where they belong. */
static void run_alike(struct party *p, struct vmsim_scenario *const *scenarios, size_t first, size_t count,
                      int *results) {
    p->count = 0;
    p->turn = NOBODY;
    p->feed = (struct vmsim__feed){.yield = yield};
    for (size_t i = first; i < count; i++) {
        if (may_join(scenarios[i]))
            join(p, scenarios[i]);
    }
    if (p->count)
        run_party(p);
    for (size_t i = first, k = 0; i < count && k < p->count; i++) {
        if (scenarios[i] == p->members[k].scenario)
            results[i] = p->members[k++].result;
    }
}

int vmsim_scenario_run_together(struct vmsim_scenario *const *scenarios, size_t count, int *results) {
    if (!count)
        return 0;
    if (!scenarios || !results)
        return VMSIM_EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (!scenarios[i])
            return VMSIM_EINVAL;
        results[i] = NOT_RUN;
    }
    struct vmsim__alloc *a = scenarios[0]->alloc;
    struct party p = {.lock = PTHREAD_MUTEX_INITIALIZER};
    p.members = vmsim__calloc(a, count, sizeof *p.members);
    if (!p.members)
        return VMSIM_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (may_join(scenarios[i]))
            run_alike(&p, scenarios, i, count, results);
        if (results[i] == NOT_RUN)
            results[i] = vmsim_scenario_run(scenarios[i], NULL, NULL);
    }
    pthread_mutex_destroy(&p.lock);
    vmsim__free(a, p.members, count * sizeof *p.members);
    return 0;
}
