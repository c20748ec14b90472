/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_POLICY_H
#define VMSIM_POLICY_H
/**
 * @file policy.h
 * @brief Writing a policy: the interface of everything in vmsim that is a choice.
 *
 * A policy is one constant struct: a common head (struct vmsim_policy) and the hooks of its domain. The same struct
 * serves built in, linked into the user's program, or in a shared object that a machine loads by name:
 *
 *     policies:
 *       tlb_replacement: {plugin: ./mine.so, name: mine, params: {protect: 2}}
 *
 * A plugin exports one function, vmsim_plugin(), needs this header alone and calls the host only through the services
 * table that create() receives. So it has no undefined vmsim symbol and loads into any program that embeds libvmsim.
 *
 * Rules for every hook: it decides from what it is given and from its own context, never from time, addresses of host
 * memory or uninitialised bytes, because a run must be the same each time; chance comes from services->random. Hooks of
 * one instance are never called at the same time; two instances (two arrays, two machines) share nothing.
 *
 * Compatibility: structs only grow at the end. A policy's `size` says how much of its struct the plugin knows: hooks
 * behind it count as NULL, so a plugin that was built against an older header loads. One that is newer than the host
 * loads as long as what the host does not know is zero. Structs that the host passes may be longer than a plugin knows,
 * and begin with their size where a plugin may find them shorter: what lies behind `size` is not to be read. struct
 * vmsim_policy and struct vmsim_param keep their size. `abi` changes when an old meaning does, and a plugin of another
 * `abi` is refused.
 *
 * Misbehaviour: an answer that cannot be (a way outside the set, a page that is not there) is never taken for another
 * one in silence. The mechanism does what it can do without the policy, counts `policies.DOMAIN.POLICY.fallbacks`, and
 * the run's summary names the policy with what it did.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/param.h"
#include "vmsim/version.h"

/** The version of this interface. */
#define VMSIM_POLICY_ABI 1u

/** What a policy decides. */
enum vmsim_policy_domain {
    VMSIM_POLICY_TLB_REPLACEMENT, /**< which entry of a full TLB set goes: struct vmsim_tlb_replacement_policy */
    VMSIM_POLICY_TLB_PREFETCH,    /**< which pages a TLB miss also fetches: struct vmsim_tlb_prefetch_policy */
    VMSIM_POLICY_RECLAIM,         /**< which folios leave memory: struct vmsim_reclaim_policy */
    VMSIM_POLICY_READAHEAD,       /**< which pages of a file are read early: struct vmsim_readahead_policy */
    VMSIM_POLICY_OOM,             /**< who is killed when memory is out: struct vmsim_oom_policy */
    VMSIM_POLICY_SWAP,            /**< where in swap a page goes: struct vmsim_swap_policy */
    VMSIM_POLICY_COMPACTION,      /**< when memory is compacted, and how hard: struct vmsim_compaction_policy */
    VMSIM_POLICY_NUMA_BALANCING,  /**< which pages follow their users to other nodes: struct vmsim_numa_policy */
    VMSIM_POLICY_TIERING,         /**< which pages change between fast and slow memory: struct vmsim_tiering_policy */
    VMSIM_POLICY_THP,             /**< which memory gets huge pages, and when: struct vmsim_thp_policy */
    VMSIM_POLICY_DOMAINS          /**< number of domains */
};

/** What there is to know of a domain; vmsim_policy_domain_at() of vmsim/vmsim.h tells. */
struct vmsim_policy_domain_info {
    uint32_t size;        /**< sizeof this struct, as the host knows it */
    bool simulated;       /**< machines ask policies of this domain; false: only vmsim/testing.h does as yet */
    const char *name;     /**< key of `policies:` in YAML */
    const char *doc;      /**< one line: what its policies decide */
    const char *fallback; /**< the policy that decides when nothing else is said */
};

/** What the host does for a policy. Valid from create() until destroy() returns; pass `host` to each call. */
struct vmsim_policy_services {
    uint32_t size; /**< sizeof this struct, as the host knows it */
    uint32_t abi;  /**< VMSIM_POLICY_ABI of the host */
    void *host;    /**< first argument of every service */
    /** Zeroed memory, aligned to 16; NULL when there is none (then create() fails). */
    void *(*allocate)(void *host, size_t bytes);
    /** Gives memory back; `bytes` as asked for. NULL is fine. */
    void (*release)(void *host, void *memory, size_t bytes);
    /** A number in [0, bound), from the instance's own stream of the machine's seed; bound > 0. */
    uint64_t (*random)(void *host, uint64_t bound);
    /**
     * A counter of the policy's own, to be called in create(): the policy adds to *result, and reports show it as
     * `policies.DOMAIN.POLICY.NAME`, one sum over all instances of the policy in the machine. `name`: lower-case
     * letters, digits and '_'. NULL without memory, or for another kind of name.
     */
    uint64_t *(*counter)(void *host, const char *name);
    /** A line for people, shown with the policy in the run's report. The first ::VMSIM_POLICY_NOTES of a policy are
     * kept, cut to 160 bytes; the others are counted. */
    void (*log)(void *host, const char *text);
};

/** Lines of a policy that a report keeps. */
#define VMSIM_POLICY_NOTES 16

/** The head of every policy. */
struct vmsim_policy {
    uint32_t size;                    /**< sizeof the domain's whole struct */
    uint32_t abi;                     /**< VMSIM_POLICY_ABI */
    enum vmsim_policy_domain domain;  /**< which struct this is the head of */
    const char *name;                 /**< as written in YAML; lower case, '-' between words */
    const char *doc;                  /**< one line: what it does */
    const struct vmsim_param *params; /**< scalar parameters, ended by a NULL name; or NULL */
    size_t params_size;               /**< size of the struct that `params` describes */
};

/** The shape of the TLB array that a replacement policy works for. */
struct vmsim_tlb_geometry {
    uint32_t size; /**< sizeof this struct, as the host knows it */
    uint32_t sets; /**< sets, any number from 1 */
    uint32_t ways; /**< entries of a set */
};

/**
 * What a replacement policy sees of one set when it must choose. `last_use` comes for free: the host keeps it anyway,
 * so most policies need no hit() at all (tree-PLRU's bits are a function of it, too).
 */
struct vmsim_tlb_set {
    uint32_t set;   /**< which set */
    uint32_t first; /**< the victim must lie in ways [first, first + ways) */
    uint32_t ways;  /**< all of these are valid entries; > 0 */
    const uint64_t
        *last_use; /**< by way (index from 0, not `first`): time of the last touch or fill; larger is later, 0 never */
    uint64_t now;  /**< the present time on that scale; later than every last_use */
    /* What it is about: the translation that comes (victim, fill) or was used (hit). */
    uint64_t page;      /**< virtual page number of its first byte, in base pages, sign-extended */
    uint64_t pc;        /**< ::VMSIM_TLB_WANTS_ACCESS: the instruction, see there; else 0 */
    uint16_t asid;      /**< its address space as the TLB tells them apart; 0xffff: a global page, of all */
    uint8_t page_shift; /**< log2 of its bytes, as this array keeps it */
    uint8_t access;     /**< ::VMSIM_TLB_WANTS_ACCESS: enum vmsim_access_type of vmsim/access.h; else 0, a load */
    bool prefetched;    /**< a prefetcher brought it (fill alone) */
};

/**
 * A policy that `wants` this is told the type of each access and the program counter. Where references come with
 * instruction fetches (recorded programs), the counter is the address of the last fetch before the access, of the same
 * address space on the same CPU: block by block, as a recorder writes fetches. 0: there was none since the CPU switched
 * to this address space. It costs a look at every reference, so only those who ask for it pay.
 */
#define VMSIM_TLB_WANTS_ACCESS 1u

/** Which entry of a full TLB set goes. The default is "lru". */
struct vmsim_tlb_replacement_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_TLB_REPLACEMENT */
    /** Makes the state of one array. `params`: the bound parameter struct. 0 and *context, or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                  const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** The way that goes, in [first, first + ways). Called only when all of these are valid. Any other answer is
     * reported, and the least recently used of them goes. */
    uint32_t (*victim)(void *context, const struct vmsim_tlb_set *set);
    /** A new entry has come to a way (after victim(), or into an empty one). May be NULL. */
    void (*fill)(void *context, const struct vmsim_tlb_set *set, uint32_t way);
    /**
     * An entry was hit. Leave it NULL where last_use does: a hook here is called for every single hit of the array and
     * costs most of the speed of vmsim's fastest path. `set->first` is 0 and `set->ways` the size of the set.
     */
    void (*hit)(void *context, const struct vmsim_tlb_set *set, uint32_t way);
    /** An entry was invalidated (flush). May be NULL. */
    void (*invalidate)(void *context, uint32_t set, uint32_t way);
    uint32_t wants; /**< 0, or ::VMSIM_TLB_WANTS_ACCESS */
};

/** A TLB miss as a prefetcher sees it. Pages count in units of the base page. */
struct vmsim_tlb_miss {
    uint64_t page;       /**< virtual page number, sign-extended */
    uint64_t page_pages; /**< base pages that the found translation covers; 1 for a base page */
    bool write, fetch;   /**< the access: a store; an instruction fetch */
    uint16_t asid;       /**< address space */
    uint64_t pc;         /**< ::VMSIM_TLB_WANTS_ACCESS: the instruction; else 0 */
};

/** Most pages that a prefetcher may ask for at a time. */
#define VMSIM_TLB_PREFETCH_MAX 16

/** Which pages a miss of every TLB level also fetches. The default is "none". */
struct vmsim_tlb_prefetch_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_TLB_PREFETCH */
    /** Makes the state of one CPU; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** After a walk that succeeded: writes up to `limit` virtual page numbers to `pages`, returns how many. More than
     * `limit` is reported, and nothing fetched. */
    uint32_t (*miss)(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit);
    /** The first use of a prefetched entry. May be NULL. Same answer as miss(). */
    uint32_t (*useful)(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit);
    uint32_t wants; /**< 0, or ::VMSIM_TLB_WANTS_ACCESS */
};

/* --- Reclaim ------------------------------------------------------------------------------------------------------ */

/**
 * A folio as a policy names it: opaque, the same as long as it is in memory, never ::VMSIM_FOLIO_NONE. It may be used
 * from folio_added() until folio_evicted() returns; the number may then come to stand for another folio.
 */
typedef uint64_t vmsim_folio;
#define VMSIM_FOLIO_NONE 0 /**< no folio */

/** What a folio's contents are. */
enum vmsim_folio_kind {
    VMSIM_FOLIO_FILE,  /**< of a file on a device: clean ones are dropped */
    VMSIM_FOLIO_ANON,  /**< of no file: goes to swap */
    VMSIM_FOLIO_SHMEM, /**< of a file in memory: goes to swap */
};

/** What a policy may know of a folio: asked for with `facts`, a snapshot. */
struct vmsim_folio_facts {
    uint32_t size;            /**< sizeof this struct, as the host knows it */
    uint8_t kind;             /**< enum vmsim_folio_kind */
    uint8_t order;            /**< it has 1 << order base pages */
    bool dirty, writeback;    /**< to be written; being written */
    bool mapped;              /**< in some page table */
    bool pinned, unevictable; /**< long-term references hold it; mlock holds it: neither can go */
    uint32_t node, cgroup;    /**< where it lies; who is charged */
    uint64_t space;           /**< FILE, SHMEM: number of the file; ANON: number of the address space */
    uint64_t index;           /**< FILE, SHMEM: page of the file; ANON: virtual page number */
    uint64_t came;            /**< when it came, on the scale of now() */
};

/** One use of a folio, or of what is to become one. */
struct vmsim_folio_access {
    uint32_t size;             /**< sizeof this struct, as the host knows it */
    uint8_t type;              /**< enum vmsim_access_type of vmsim/access.h; a read or write call is a load or store */
    bool fault;                /**< a page fault; false: a system call, or a reference that found its page present */
    uint32_t task, cgroup;     /**< who */
    uint64_t pc;               /**< last instruction fetched, where the trace has fetches; else 0 */
    uint64_t space, index;     /**< which page, as in struct vmsim_folio_facts */
    uint64_t shadow;           /**< what the policy left in this page's place when it went last; 0: nothing */
    uint64_t refault_distance; /**< folios that went since it went last: of this instance in the harness, in a machine
                                    as the kernel's clock of refaults counts (evictions and activations of the cgroup
                                    that was reclaimed from); UINT64_MAX: it never was here, or nothing remembers it */
};

/** Why a folio is no longer there. */
enum vmsim_folio_end {
    VMSIM_FOLIO_RECLAIMED, /**< evict() proposed it (or the mechanism in its place), and it went */
    VMSIM_FOLIO_FREED,     /**< truncated, unmapped by all, or its owner ended */
    VMSIM_FOLIO_MOVED,     /**< to another cgroup or node: another instance gets it */
    VMSIM_FOLIO_LOCKED,    /**< by mlock: nobody may evict it; it is added again when it is unlocked */
};

/** What list_iterate() does with the folio that was looked at, and whether it goes on. */
enum vmsim_list_verdict {
    VMSIM_LIST_NEXT,   /**< leave it where it is, go on */
    VMSIM_LIST_ROTATE, /**< to the other end of the list, go on */
    VMSIM_LIST_STOP,   /**< leave it, and end */
};

/**
 * What the host does for a reclaim policy. Pass `host` to each call.
 *
 * A folio is on one list of the policy at most. What cannot be (a folio that is not there, one that is on a list
 * already, a list that nobody made) changes nothing, returns false (or NONE, or 0), and is reported with the policy's
 * name. Every call is O(1) but list_iterate().
 */
struct vmsim_reclaim_services {
    uint32_t size;                              /**< sizeof this struct, as the host knows it */
    uint32_t abi;                               /**< VMSIM_POLICY_ABI of the host */
    void *host;                                 /**< first argument of every service below */
    const struct vmsim_policy_services *common; /**< memory, random numbers, counters, notes: with a host of its own */

    /** A new, empty list: 1, 2, 3, ... 0: no memory. Lists live as long as the instance. */
    uint32_t (*list_create)(void *host);
    /** Puts a folio that is on no list at the head, or at the tail. */
    bool (*list_add)(void *host, uint32_t list, vmsim_folio folio, bool tail);
    /** Takes a folio from the list that it is on, and puts it at the head or tail of this one (which may be the same).
     */
    bool (*list_move)(void *host, uint32_t list, vmsim_folio folio, bool tail);
    /** Takes a folio from its list. Not needed when it goes: after folio_evicted() the host does. */
    bool (*list_remove)(void *host, vmsim_folio folio);
    /** Takes the folio at the head or tail and returns it; NONE: the list is empty. */
    vmsim_folio (*list_pop)(void *host, uint32_t list, bool tail);
    /** The folio at the head or tail; NONE: the list is empty. */
    vmsim_folio (*list_end)(void *host, uint32_t list, bool tail);
    /** The neighbour of a folio on its list, towards the head or the tail; NONE: it is the last. */
    vmsim_folio (*list_step)(void *host, vmsim_folio folio, bool tail);
    /** Folios on a list. */
    uint64_t (*list_length)(void *host, uint32_t list);
    /** The list that a folio is on; 0: none. */
    uint32_t (*list_of)(void *host, vmsim_folio folio);
    /**
     * Shows folios to `visit`, from the head or the tail on, each once and `limit` at most, and does as it answers
     * (enum vmsim_list_verdict). visit() must not change the list. Returns how many were shown.
     */
    uint64_t (*list_iterate)(void *host, uint32_t list, bool tail, uint64_t limit,
                             enum vmsim_list_verdict (*visit)(void *context, vmsim_folio folio), void *context);

    /** Was the folio used since it came, or since this was last cleared? The accessed bits of its page-table entries,
     * with what the walk to them costs. The use that brought it does not count. */
    bool (*young)(void *host, vmsim_folio folio, bool clear);
    /** Fills *facts, whose `size` the caller has set, as far as that. */
    bool (*facts)(void *host, vmsim_folio folio, struct vmsim_folio_facts *facts);
    /** 64 bits of the policy's own with each folio, zero when it comes. NULL for a folio that is not there. */
    uint64_t *(*word)(void *host, vmsim_folio folio);
    /** What is to stand in the folio's place when it has gone, up to the end of folio_evicted(); 0: nothing. The same
     * page has it in its access when it comes again, unless the host forgot it. */
    bool (*shadow_write)(void *host, vmsim_folio folio, uint64_t value);
    /** Nanoseconds of virtual time; where there is no time, references so far. Never goes back. */
    uint64_t (*now)(void *host);
    /** Base pages that this instance may hold at present. */
    uint64_t (*capacity)(void *host);
    /** Offline only (::VMSIM_RECLAIM_WANTS_FUTURE): when the folio will be used next, as a number of a reference;
     * UINT64_MAX: never. */
    uint64_t (*next_use)(void *host, vmsim_folio folio);
};

/** What an instance of a reclaim policy is for: folios of one node that are charged to one cgroup. */
struct vmsim_reclaim_scope {
    uint32_t size;         /**< sizeof this struct, as the host knows it */
    uint32_t node, cgroup; /**< which; 0, 0 in the harness */
    uint64_t capacity;     /**< base pages that it may hold when it is made */
};

/** Most folios that one call of evict() may propose (SWAP_CLUSTER_MAX of the kernel, and cache_ext's). */
#define VMSIM_RECLAIM_BATCH 32u

/** What evict() is asked for. */
struct vmsim_reclaim_request {
    uint32_t size;                             /**< sizeof this struct, as the host knows it */
    uint32_t wanted;                           /**< folios that `folio` has room for; 1 to ::VMSIM_RECLAIM_BATCH */
    vmsim_folio *folio;                        /**< where the proposals go, the first to go first */
    uint8_t priority;                          /**< 12: no hurry, down to 0: the last attempt, as the kernel counts */
    bool may_swap, may_write, may_unmap;       /**< what may be done to a folio to let it go */
    const struct vmsim_folio_access *incoming; /**< what room is made for; NULL: reclaim works ahead of need */
};

/** The policy wants next_use(): it runs in the harness, or where a run can be made twice (a scenario), and nowhere
 * else. */
#define VMSIM_RECLAIM_WANTS_FUTURE 1u
/**
 * The policy wants folio_accessed() for every reference of every program, as no kernel can have it: the physical
 * addresses that the TLB gives out are looked at. It costs a look at every reference, so only those who ask for it pay.
 */
#define VMSIM_RECLAIM_WANTS_REFERENCES 2u

/**
 * Which folios leave memory. The default is "linux-lru": in a machine the kernel's own mechanism. The hooks are those
 * of cache_ext (docs/policies.md), so that a policy that was tried here can be written down for it one by one.
 */
struct vmsim_reclaim_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_RECLAIM */
    /** Makes the state of one instance (cache_ext: init). 0 and *context, or a negative vmsim_err. */
    int (*create)(const struct vmsim_reclaim_services *services, const struct vmsim_reclaim_scope *scope,
                  const void *params, void **context);
    /** Frees it. No folio is told to go before. */
    void (*destroy)(void *context);
    /** A folio has come. */
    void (*folio_added)(void *context, vmsim_folio folio, const struct vmsim_folio_access *access);
    /**
     * A folio is used again. NULL where young() does: a hook here sees every use that the host sees. In the harness
     * that is each reference; in a machine what the kernel calls folio_mark_accessed (read and write calls, a mapping
     * that goes with its accessed bit set), and with ::VMSIM_RECLAIM_WANTS_REFERENCES each reference but the one whose
     * fault brought the folio.
     */
    void (*folio_accessed)(void *context, vmsim_folio folio, const struct vmsim_folio_access *access);
    /**
     * Proposes folios to go, up to request->wanted, and returns how many (cache_ext: evict_folios). What it proposes it
     * leaves as it is: folio_evicted() tells what went, and a folio that could not go stays. A folio whose contents
     * have to be written counts as gone when that begins. Proposals that cannot be (a folio twice, one that is not
     * there, mlocked, or another instance's) are reported and passed over. When none is left, and there was no lack of
     * folios, the mechanism takes some folio itself (in a machine: as linux-lru would), and reports that.
     */
    uint32_t (*evict)(void *context, struct vmsim_reclaim_request *request);
    /** A folio is going: the last moment to look at it and to leave a shadow. May be NULL. */
    void (*folio_evicted)(void *context, vmsim_folio folio, enum vmsim_folio_end end);
    uint32_t wants; /**< 0, or ::VMSIM_RECLAIM_WANTS_FUTURE | ::VMSIM_RECLAIM_WANTS_REFERENCES */
};

/* --- Readahead ---------------------------------------------------------------------------------------------------- */

/** Pages of a file to be read in one go. */
struct vmsim_readahead_window {
    uint64_t start; /**< first page */
    uint32_t pages; /**< how many; the end of the file cuts them */
    uint32_t ahead; /**< the last of these are ahead of need: the first of them is marked, and who touches it asks for
                       the next window. At most `pages` */
};

/** Why a window is asked for. */
enum vmsim_readahead_why {
    VMSIM_READAHEAD_MISS,   /**< a page is missing */
    VMSIM_READAHEAD_MARK,   /**< a marked page is touched, for the first time */
    VMSIM_READAHEAD_AROUND, /**< a page fault of a mapping without advice found its page missing */
};

/** What a policy may ask about the page cache while it chooses a window. */
struct vmsim_readahead_services {
    uint32_t size; /**< sizeof this struct, as the host knows it */
    uint32_t abi;  /**< VMSIM_POLICY_ABI of the host */
    void *host;    /**< first argument of every service */
    /** Cached pages of the file in a row right before page `index`; no more than `limit` are looked at. */
    uint64_t (*cached_before)(void *host, uint64_t index, uint64_t limit);
    /** First page of the file from `index` on that is not cached; UINT64_MAX: none of the first `limit`. */
    uint64_t (*next_missing)(void *host, uint64_t index, uint64_t limit);
};

/** One question. */
struct vmsim_readahead_request {
    uint32_t size;       /**< sizeof this struct, as the host knows it */
    uint8_t why;         /**< enum vmsim_readahead_why */
    bool miss_continues; /**< of the machine's kernel: a miss right behind the last window is its stream going on */
    bool half_ahead; /**< of the machine's kernel: half of a first window no longer than the request is ahead of need */
    uint32_t file;   /**< number of the file */
    uint64_t file_pages;                /**< pages that it has */
    uint64_t index;                     /**< the page that is missing, or marked */
    uint64_t wanted;                    /**< pages that are needed from there on, this one included */
    uint64_t most;                      /**< largest window: the file's, or more where device and request like it */
    uint64_t previous;                  /**< last page of the read before; UINT64_MAX: none */
    struct vmsim_readahead_window last; /**< the window that was answered for this open file before */
    const struct vmsim_readahead_services *cache; /**< valid during the call */
};

/** Which pages are read beside those that are needed. The default is "linux". */
struct vmsim_readahead_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_READAHEAD */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /**
     * Fills *window and returns true: these pages are read, and it is the `last` of the next question. False: after a
     * miss the pages wanted are read and nothing else, after a mark or a fault nothing. Pages that are cached are
     * passed over; the one that is missing is read by itself if the window has it not. More pages ahead than there are
     * is reported, and counts as false.
     */
    bool (*window)(void *context, const struct vmsim_readahead_request *request, struct vmsim_readahead_window *window);
};

/* --- The victim when memory is out -------------------------------------------------------------------------------- */

/** A process that may be killed. Sizes are in base pages. */
struct vmsim_oom_candidate {
    uint32_t size;                          /**< sizeof this struct, as the host knows it */
    uint32_t task;                          /**< its number */
    uint32_t cgroup;                        /**< who is charged */
    int32_t adj;                            /**< oom_score_adj: -1000 (never) to 1000 */
    uint64_t rss_anon, rss_file, rss_shmem; /**< what it has in memory */
    uint64_t swap, page_tables;             /**< in swap; its page tables */
    uint64_t started;                       /**< virtual time, ns */
    bool allocating;                        /**< its request is the one that cannot be served */
    bool dying;                             /**< killed or exiting already */
    bool unkillable;                        /**< init, or one that shares its memory with such */
};

/** What bounds the memory that is out. */
enum vmsim_oom_constraint {
    VMSIM_OOM_GLOBAL,    /**< the machine's */
    VMSIM_OOM_CPUSET,    /**< nodes of a cpuset */
    VMSIM_OOM_MEMPOLICY, /**< nodes of a memory policy */
    VMSIM_OOM_MEMCG      /**< the limit of a cgroup */
};

/** Who is to go? */
struct vmsim_oom_request {
    uint32_t size;                                      /**< sizeof this struct, as the host knows it */
    uint8_t constraint;                                 /**< enum vmsim_oom_constraint */
    uint8_t order;                                      /**< of the allocation */
    uint32_t node, cgroup;                              /**< where it was tried; whose limit, for VMSIM_OOM_MEMCG */
    uint64_t total_pages;                               /**< memory and swap within the constraint */
    uint64_t now;                                       /**< virtual time, ns */
    uint32_t count;                                     /**< candidates */
    const struct vmsim_oom_candidate *const *candidate; /**< in the order of the host's list of tasks */
};

/** Answer of an OOM policy: the machine is to stop (panic_on_oom). */
#define VMSIM_OOM_PANIC (-1)

/** Which process is killed when nothing can be reclaimed. The default is "badness". */
struct vmsim_oom_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_OOM */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /**
     * The number of a candidate, or ::VMSIM_OOM_PANIC. Called only when there is one that is neither unkillable, nor
     * dying, nor of adj -1000; any other answer than one of these is reported, and the worst by Linux's badness goes.
     */
    int32_t (*choose)(void *context, const struct vmsim_oom_request *request);
};

/* --- Where a page goes in swap ------------------------------------------------------------------------------------ */

/** A swap area, as it is. */
struct vmsim_swap_area {
    uint32_t size;        /**< sizeof this struct, as the host knows it */
    int32_t priority;     /**< swapon's: areas of the highest that has room are used */
    bool rotational;      /**< a disk: seeks cost */
    uint64_t slots, free; /**< base pages */
    uint64_t next;        /**< the slot behind the one that was given last */
};

/** A page that leaves memory. */
struct vmsim_swap_request {
    uint32_t size;   /**< sizeof this struct, as the host knows it */
    uint32_t cpu;    /**< who swaps it out */
    uint32_t slots;  /**< consecutive slots that it needs: 1 << order of the folio */
    uint32_t cgroup; /**< who is charged */
    uint64_t space;  /**< address space (or file) number */
    uint64_t index;  /**< virtual page number (or page of the file) */
    uint64_t
        neighbour; /**< slot of the page before it in the same area that `neighbour_area` names; UINT64_MAX: none */
    uint32_t neighbour_area;                   /**< see `neighbour` */
    uint32_t count;                            /**< areas */
    const struct vmsim_swap_area *const *area; /**< in the order of swapon */
};

/** Where to look for slots. */
struct vmsim_swap_place {
    uint32_t area; /**< number of an area with enough free slots */
    uint64_t
        slot; /**< the first free run at or behind this slot is taken, from the area's beginning if there is none */
};

/** Where in swap a page goes. The default is "linux". */
struct vmsim_swap_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_SWAP */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** Fills *place. Called only when some area has free slots enough. An area that is none, has not enough, or a slot
     * behind its end is reported, and the first area of the highest priority that has enough is taken, from `next` on.
     */
    void (*place)(void *context, const struct vmsim_swap_request *request, struct vmsim_swap_place *place);
    /** Fill in `neighbour` of each request: it costs a look-up. Without it `neighbour` is UINT64_MAX. */
    bool uses_neighbour;
};

/* --- When memory is compacted --------------------------------------------------------------------------------------
 */

/** Who asks whether a zone is to be compacted. */
enum vmsim_compaction_why {
    VMSIM_COMPACTION_DIRECT,    /**< an allocation that found no block, and waits for it */
    VMSIM_COMPACTION_KCOMPACTD, /**< kcompactd, which was woken because kswapd is done or nobody could wait */
    VMSIM_COMPACTION_PROACTIVE  /**< kcompactd, every 500 ms, for nobody in particular */
};

/** How hard. Each takes longer than the one before, and moves more. */
enum vmsim_compaction_verdict {
    VMSIM_COMPACTION_SKIP,       /**< not at all */
    VMSIM_COMPACTION_ASYNC,      /**< pages of pageblocks like the request's; what is busy stays */
    VMSIM_COMPACTION_SYNC_LIGHT, /**< pages of all pageblocks, from where the last run stopped */
    VMSIM_COMPACTION_FULL,       /**< the whole zone, whatever is known of its pageblocks */
    VMSIM_COMPACTION_VERDICTS
};

/** A zone that may be compacted. */
struct vmsim_compaction_request {
    uint32_t size;         /**< sizeof this struct, as the host knows it */
    uint8_t why;           /**< enum vmsim_compaction_why */
    uint8_t verdict;       /**< what Linux does: enum vmsim_compaction_verdict */
    uint8_t order;         /**< of the block that is wanted, log2 of base pages; proactive: a huge page's */
    bool movable;          /**< the block is for movable memory */
    bool deferred;         /**< attempts failed lately, so that Linux puts this one off */
    uint32_t node, zone;   /**< zone: DMA 0, DMA32 1, Normal 2, HighMem 3, Movable 4 */
    uint32_t cpu;          /**< who compacts */
    int32_t fragmentation; /**< thousandths: 0 memory lacks, 1000 it is in pieces; -1000: a block is free */
    uint32_t score;        /**< percent of the free memory in pieces smaller than a huge page */
    uint64_t free;         /**< free base pages of the zone */
    uint64_t low;          /**< its low watermark, base pages */
    uint64_t now;          /**< virtual time, ns */
};

/** When memory is compacted, and how hard. The default is "linux". */
struct vmsim_compaction_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_COMPACTION */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /**
     * An enum vmsim_compaction_verdict for one zone. Asked before each run over it: of an allocation only when it may
     * wait for compaction at all, of kcompactd only when a pageblock of the zone's size makes sense. Any other number
     * is reported, and Linux's verdict taken. FULL of a proactive run goes on until the whole zone was seen.
     */
    int32_t (*decide)(void *context, const struct vmsim_compaction_request *request);
};

/* --- NUMA balancing -------------------------------------------------------------------------------------------------
 */

/** A use of a page that NUMA balancing saw by a fault, of a task that runs on another node than the page lies on. */
struct vmsim_numa_request {
    uint32_t size;     /**< sizeof this struct, as the host knows it */
    int32_t verdict;   /**< what Linux does: the node to move the page to, or -1: it stays */
    uint32_t task;     /**< who used it */
    uint32_t cpu;      /**< from where */
    uint32_t cpu_node; /**< node of that CPU */
    uint32_t node;     /**< node of the page */
    int32_t last_node; /**< node of the CPU that used it before; -1: not known */
    bool same_task;    /**< the same task used it before (as far as eight bits of its number tell) */
    bool shared;       /**< several address spaces map it */
    uint64_t address;  /**< virtual, of the page */
    uint64_t free;     /**< free base pages of the CPU's node */
    uint64_t now;      /**< virtual time, ns */
};

/** A task is about to be scanned: some of its pages will fault at their next use. */
struct vmsim_numa_scan {
    uint32_t size;  /**< sizeof this struct, as the host knows it */
    uint32_t task;  /**< whose address space */
    uint64_t pages; /**< what Linux scans: base pages */
    uint64_t rss;   /**< base pages that the address space has in memory */
    uint64_t now;   /**< virtual time, ns */
};

/** Which pages follow their users. The default is "linux". */
struct vmsim_numa_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_NUMA_BALANCING */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** The node to which the page shall go, or -1. A node that is not there, or has no memory, is reported, and Linux's
     * verdict taken. */
    int32_t (*place)(void *context, const struct vmsim_numa_request *request);
    /** Base pages to scan now; 0: none. NULL: as Linux. */
    uint64_t (*scan)(void *context, const struct vmsim_numa_scan *scan);
};

/* --- Tiers of memory ------------------------------------------------------------------------------------------------
 */

/** A page in a slow tier was used: is it hot? Scans of NUMA balancing in mode 2 find such uses. */
struct vmsim_promotion_request {
    uint32_t size;         /**< sizeof this struct, as the host knows it */
    bool verdict;          /**< what Linux does: promotes it */
    uint32_t task;         /**< who used it */
    uint32_t node;         /**< node of the page */
    uint32_t target;       /**< node that it would go to: the user's CPU's */
    uint64_t latency_ms;   /**< from the scan that marked it to this use */
    uint64_t threshold_ms; /**< below which Linux takes it for hot, now */
    uint64_t address;      /**< virtual, of the page */
    uint64_t page;         /**< number of its frame */
    uint64_t free;         /**< free base pages of the target */
    uint64_t now;          /**< virtual time, ns */
};

/** Reclaim is about to give up a page: is it moved to a slower tier instead? */
struct vmsim_demotion_request {
    uint32_t size;    /**< sizeof this struct, as the host knows it */
    int32_t verdict;  /**< what Linux does: the node to move it to, or -1: it goes to swap, or is dropped */
    uint32_t node;    /**< node of the page */
    uint64_t slower;  /**< bit n: node n is of a slower tier, and has memory */
    bool anon, dirty; /**< what it is */
    bool kswapd;      /**< kswapd reclaims; else a task that needs memory */
    uint64_t page;    /**< number of its frame */
    uint64_t now;     /**< virtual time, ns */
};

/** Which pages change between fast and slow memory. The default is "linux". */
struct vmsim_tiering_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_TIERING */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** True: the page is moved to the target, if there is room. */
    bool (*promote)(void *context, const struct vmsim_promotion_request *request);
    /** The node to which the page shall go, one of `slower`, or -1. Another is reported, and Linux's verdict taken. */
    int32_t (*demote)(void *context, const struct vmsim_demotion_request *request);
};

/* --- Which memory gets huge pages ----------------------------------------------------------------------------------
 */

/** What the first fault in an empty range of a huge page's size gets. */
enum vmsim_thp_size {
    VMSIM_THP_BASE,    /**< a base page */
    VMSIM_THP_HUGE,    /**< the huge page; a base page when there is none */
    VMSIM_THP_RESERVE, /**< a base page out of a huge block, whose others are kept for the rest of the range: it becomes
                            a huge page, without a copy, when all are touched; short memory breaks the oldest ones */
    VMSIM_THP_SIZES
};

/** A fault of anonymous memory in such a range. */
struct vmsim_thp_fault {
    uint32_t size;      /**< sizeof this struct, as the host knows it */
    uint8_t verdict;    /**< what Linux does: BASE or HUGE */
    bool write;         /**< it is a store */
    bool advised;       /**< MADV_HUGEPAGE */
    uint32_t space;     /**< number of the address space */
    uint64_t address;   /**< first byte of the range */
    uint64_t area;      /**< bytes of the mapping that holds it */
    uint32_t node, cpu; /**< where the task runs */
    uint64_t free, low; /**< of that node, base pages: free, and the sum of the low watermarks */
    uint64_t now;       /**< virtual time, ns */
};

/** What khugepaged does with a range. */
enum vmsim_thp_action {
    VMSIM_THP_LEAVE,    /**< nothing */
    VMSIM_THP_COLLAPSE, /**< makes it a huge page; not of a huge one */
    VMSIM_THP_AGE,      /**< nothing, and forgets which pages were used until now */
    VMSIM_THP_SPLIT,    /**< splits the huge page into base pages; of a huge one alone */
    VMSIM_THP_ACTIONS
};

/** A range that khugepaged comes to. */
struct vmsim_thp_range {
    uint32_t size;       /**< sizeof this struct, as the host knows it */
    uint8_t verdict;     /**< what Linux does: enum vmsim_thp_action */
    bool huge;           /**< one entry maps it */
    bool advised;        /**< MADV_HUGEPAGE */
    uint32_t space;      /**< number of the address space */
    uint64_t address;    /**< first byte */
    uint32_t pages;      /**< base pages of a huge page */
    uint32_t none;       /**< of these: nothing there, or the zero page */
    uint32_t swap;       /**< in swap */
    uint32_t shared;     /**< mapped by others as well */
    uint32_t referenced; /**< used since they were looked at (AGE, reclaim); of a huge one all or none */
    uint64_t free, low;  /**< of node 0, base pages: free, and the sum of the low watermarks */
    uint64_t now;        /**< virtual time, ns */
};

/** Which memory gets huge pages, and when. The default is "linux". Nobody is asked while
 * transparent_hugepage/enabled is `never`. */
struct vmsim_thp_policy {
    struct vmsim_policy policy; /**< domain VMSIM_POLICY_THP */
    /** Makes the state of one machine; may be NULL (context NULL). 0 or a negative vmsim_err. */
    int (*create)(const struct vmsim_policy_services *services, const void *params, void **context);
    /** Frees it. May be NULL when create() is. */
    void (*destroy)(void *context);
    /** An enum vmsim_thp_size. Any other number is reported, and Linux's verdict taken. */
    int32_t (*fault)(void *context, const struct vmsim_thp_fault *fault);
    /** An enum vmsim_thp_action, for each range of an area with huge pages enabled that khugepaged comes to. One that
     * cannot be is reported, and Linux's verdict taken. */
    int32_t (*scan)(void *context, const struct vmsim_thp_range *range);
};

/** What a plugin holds. Static storage of the plugin. */
struct vmsim_plugin {
    uint32_t size;                              /**< sizeof this struct */
    uint32_t abi;                               /**< VMSIM_POLICY_ABI */
    const char *name;                           /**< of the plugin, for messages */
    const struct vmsim_policy *const *policies; /**< NULL-terminated */
};

/** Name of the function that a plugin exports. */
#define VMSIM_PLUGIN_SYMBOL "vmsim_plugin"
/** Its type: `host_abi` is VMSIM_POLICY_ABI of the host; NULL when the plugin cannot serve it. */
typedef const struct vmsim_plugin *vmsim_plugin_function(uint32_t host_abi);

#ifdef VMSIM_PLUGIN
VMSIM_BEGIN_DECLS
/** The one symbol of a plugin; what it returns is the plugin's, and good until that is unloaded. Declared for files
 * that define VMSIM_PLUGIN before the include. */
const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi);
VMSIM_END_DECLS
#endif

#endif
