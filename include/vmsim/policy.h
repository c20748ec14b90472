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
/** The one symbol of a plugin; declared for files that define VMSIM_PLUGIN before the include. */
const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi);
VMSIM_END_DECLS
#endif

#endif
