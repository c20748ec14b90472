/* SPDX-License-Identifier: MIT */
/* The recording plugin of qemu-user: its entry point and the callbacks that run for every block and every reference.
 *
 * Translated code calls `on_block` once per execution of a translation block and `on_data` or `on_rmw` per data
 * reference. Each writes one packed word (vmsim/access.h) into the thread's chunk: a block's word
 * is made at translation and travels as the callback's data pointer. Instructions that read and write the same place
 * (add to memory, xchg, lock...) are told apart by their opcode at translation and record one VMSIM_RMW, because a
 * real CPU asks for write permission at once and takes one fault where a load and a store would take two. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>

#include "trace/plugin/answer.h"
#include "trace/plugin/plugin.h"
#include "trace/plugin/qemu.h"

#define EXPORT __attribute__((visibility("default")))

struct plugin plugin = {.lock = PTHREAD_MUTEX_INITIALIZER};
struct arena_slot *plugin_slots[PLUGIN_VCPUS];
struct vcpu plugin_vcpu[PLUGIN_VCPUS];
uint64_t plugin_hidden = PLUGIN_NOTHING_HIDDEN;

/* The word that ends a thread's clone call leaves for the new thread's vcpu (same host thread creates it). */
static _Thread_local uint32_t creating = VMSIM_TRACE_NO_TASK;

static inline __attribute__((always_inline)) void put(unsigned index, vmsim_access word) {
    struct arena_slot *s = plugin_slots[index];
    uint64_t pos = atomic_load_explicit(&s->pos, memory_order_relaxed);
    if (__builtin_expect(pos == s->end, 0)) {
        pos = plugin_room(&plugin_vcpu[index]);
        s = plugin_slots[index];
    }
    plugin.arena->words[pos] = word;
    atomic_store_explicit(&s->pos, pos + 1, memory_order_release);
}

static void on_block(unsigned index, void *word) {
    put(index, (vmsim_access)(uintptr_t)word);
}

/* What a reference's descriptor says, kept so that QEMU is asked once per kind of reference, not per reference:
 * known << 63 | size and type bits << 32 | descriptor, in one word because threads share the table. */
static _Atomic uint64_t kinds[64];

static __attribute__((noinline)) uint64_t learn(_Atomic uint64_t *kind, qemu_plugin_meminfo_t info) {
    unsigned code = vmsim_access_size_code(1u << qemu_plugin_mem_size_shift(info));
    enum vmsim_access_type type = qemu_plugin_mem_is_store(info) ? VMSIM_STORE : VMSIM_LOAD;
    uint64_t low = (uint64_t)code << 2 | (uint64_t)type;
    atomic_store_explicit(kind, UINT64_C(1) << 63 | low << 32 | info, memory_order_relaxed);
    return low;
}

static inline __attribute__((always_inline)) uint64_t low_bits(qemu_plugin_meminfo_t info) {
    _Atomic uint64_t *kind = &kinds[(info ^ info >> 4 ^ info >> 11) & 63];
    uint64_t k = atomic_load_explicit(kind, memory_order_relaxed);
    if (__builtin_expect((uint32_t)k != info || !(k >> 63), 0))
        return learn(kind, info);
    return k >> 32 & 127;
}

static void on_data(unsigned index, qemu_plugin_meminfo_t info, uint64_t va, void *data) {
    (void)data;
    if (__builtin_expect(va - plugin_hidden < 8192, 0))
        return;
    put(index, va << 7 | low_bits(info));
}

/* The reading half is not told: the writing half tells both. */
static void on_rmw(unsigned index, qemu_plugin_meminfo_t info, uint64_t va, void *data) {
    (void)data;
    uint64_t low = low_bits(info);
    if (low & VMSIM_STORE)
        put(index, va << 7 | low | VMSIM_RMW);
}

/* Whether a two-byte opcode (after 0F) with a memory operand reads and writes it. */
static bool rmw_two(unsigned op, unsigned reg) {
    switch (op) {
    case 0xa4: /* shld, shrd */
    case 0xa5:
    case 0xac:
    case 0xad:
    case 0xab: /* bts, btr, btc */
    case 0xb3:
    case 0xbb:
    case 0xb0: /* cmpxchg */
    case 0xb1:
    case 0xc0: /* xadd */
    case 0xc1:
        return true;
    case 0xba:
        return reg >= 5;
    case 0xc7:
        return reg == 1; /* cmpxchg8b, cmpxchg16b */
    default:
        return false;
    }
}

/* The same of a one-byte opcode. */
static bool rmw_one(unsigned op, unsigned reg) {
    if (op < 0x40)
        return (op & 7) <= 1 && op >> 3 != 7; /* add or adc sbb and sub xor, not cmp */
    switch (op) {
    case 0x80:
    case 0x81:
    case 0x83:
        return reg != 7;
    case 0x86: /* xchg */
    case 0x87:
    case 0xc0: /* shifts */
    case 0xc1:
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return true;
    case 0xf6:
    case 0xf7:
        return reg == 2 || reg == 3; /* not, neg */
    case 0xfe:
    case 0xff:
        return reg <= 1; /* inc, dec */
    default:
        return false;
    }
}

static bool is_prefix(unsigned b) {
    return b == 0x66 || b == 0x67 || b == 0xf0 || b == 0xf2 || b == 0xf3 || b == 0x2e || b == 0x36 || b == 0x3e ||
           b == 0x26 || b == 0x64 || b == 0x65;
}

static bool is_rmw(const unsigned char *b, size_t size) {
    size_t i = 0;
    while (i < size && is_prefix(b[i]))
        i++;
    if (i < size && b[i] >> 4 == 4)
        i++; /* REX */
    bool two = i < size && b[i] == 0x0f;
    i += two;
    if (i + 1 >= size || b[i + 1] >> 6 == 3)
        return false;
    unsigned reg = b[i + 1] >> 3 & 7;
    return two ? rmw_two(b[i], reg) : rmw_one(b[i], reg);
}

/* The packed fetch of [va, va + bytes), all on one page. */
static void *fetch_word(uint64_t va, uint64_t bytes) {
    unsigned code = vmsim_access_size_code((uint32_t)bytes);
    while (vmsim_access_code_bytes(code) > 4096 - (va & 4095))
        code--;
    return (void *)(uintptr_t)(va << 7 | (uint64_t)code << 2 | VMSIM_FETCH);
}

/* Whether a system call instruction, 0F 05, lies at `va`. */
static bool is_syscall(uint64_t va) {
    unsigned char code[2];
    return plugin_read_guest(va, code, sizeof code) == sizeof code && code[0] == 0x0f && code[1] == 0x05;
}

static void instrument_block(struct qemu_plugin_tb *tb, size_t n) {
    const struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(tb, n - 1);
    uint64_t va = qemu_plugin_tb_vaddr(tb), end = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last);
    while (va < end) {
        uint64_t border = (va | 4095) + 1, stop = end < border ? end : border;
        qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS, fetch_word(va, stop - va));
        va = stop;
    }
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    static bool seen;
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    bool first = !__atomic_exchange_n(&seen, true, __ATOMIC_RELAXED);
    if (first) {
        plugin_program_begins();
        plugin_image(&plugin_vcpu[0]);
    }
    if (!n)
        return;
    uint64_t va = qemu_plugin_tb_vaddr(tb);
    if (first || is_syscall(va - 2) || is_syscall(va) || /* where one returns to, or is made again */
        plugin_handler_is(va))
        qemu_plugin_register_vcpu_tb_exec_cb(tb, plugin_on_entry, QEMU_PLUGIN_CB_RW_REGS, (void *)(uintptr_t)va);
    if (!(plugin.arena->left_out & ARENA_CODE))
        instrument_block(tb, n);
    for (size_t i = 0; i < n && !(plugin.arena->left_out & ARENA_DATA); i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        bool rmw = is_rmw(qemu_plugin_insn_data(insn), qemu_plugin_insn_size(insn));
        /* QEMU 7.2 takes the wrong ones when asked for loads or stores alone. */
        qemu_plugin_register_vcpu_mem_cb(insn, rmw ? on_rmw : on_data, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                         NULL);
    }
}

static void on_vcpu_init(qemu_plugin_id_t id, unsigned index) {
    (void)id;
    if (index >= PLUGIN_VCPUS) {
        fprintf(stderr, "vmsim record: more than %d threads in one process\n", PLUGIN_VCPUS);
        _Exit(127);
    }
    uint32_t task = creating != VMSIM_TRACE_NO_TASK ? creating : plugin.first_task;
    plugin_vcpu_begin(index, task);
    const struct vcpu *parent = plugin_calling();
    if (plugin_sharer_is_born(parent)) {
        plugin_vcpu[index].sharer = true;
        plugin_vcpu[index].clear_tid = parent->bears & CLONE_CHILD_CLEARTID ? parent->args[3] : 0;
    }
}

static void on_syscall(qemu_plugin_id_t id, unsigned index, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
    (void)id, (void)a7, (void)a8;
    struct vcpu *v = &plugin_vcpu[index];
    const uint64_t args[6] = {a1, a2, a3, a4, a5, a6};
    plugin_call_begins(v);
    plugin_syscall(v, number, args);
    creating = v->child;
}

static void on_syscall_return(qemu_plugin_id_t id, unsigned index, int64_t number, int64_t result) {
    (void)id;
    creating = VMSIM_TRACE_NO_TASK;
    plugin_call_ends();
    plugin_syscall_return(&plugin_vcpu[index], number, result);
}

static void on_end(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    for (unsigned i = 0; i < plugin.vcpus; i++)
        if (plugin_vcpu[i].live)
            plugin_release(&plugin_vcpu[i]);
}

/* Arguments "name=value" of the -plugin option. */
static const char *argument(int argc, char **argv, const char *name) {
    size_t length = strlen(name);
    for (int i = 0; i < argc; i++)
        if (!strncmp(argv[i], name, length) && argv[i][length] == '=')
            return argv[i] + length + 1;
    return "";
}

EXPORT int qemu_plugin_version = 1;

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv);

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    snprintf(plugin.path, sizeof plugin.path, "%s", argument(argc, argv, "self"));
    snprintf(plugin.arena_path, sizeof plugin.arena_path, "%s", argument(argc, argv, "arena"));
    snprintf(plugin.space, sizeof plugin.space, "%s", argument(argc, argv, "space"));
    snprintf(plugin.cpu, sizeof plugin.cpu, "%s", argument(argc, argv, "cpu"));
    plugin.first_task = (uint32_t)strtoul(argument(argc, argv, "task"), NULL, 10);
    const char *persona = argument(argc, argv, "persona");
    if (*persona && *persona != '-')
        personality((unsigned long)strtoul(persona, NULL, 10)); /* the program's own, which has another */
    if (plugin_arena_open(plugin.arena_path)) {
        fprintf(stderr, "vmsim record: cannot open the recorder's memory %s\n", plugin.arena_path);
        return -1;
    }
    qemu_plugin_register_vcpu_init_cb(id, on_vcpu_init);
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_vcpu_syscall_ret_cb(id, on_syscall_return);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
