/* SPDX-License-Identifier: MIT */
/* The capturing program's builds as data (see capturer_layout.h). */
#include "capturer_layout.h"

#define R VMSIM__PROT_READ
#define RX (VMSIM__PROT_READ | VMSIM__PROT_EXEC)
#define RW (VMSIM__PROT_READ | VMSIM__PROT_WRITE)
#define LIST(name, ...) static const uint64_t name[] = {__VA_ARGS__, 0}

/* ---- x86-64 ---- */

LIST(x64_boot_fetched, 0x402000, 0x411000, 0x420000, 0x430000, 0x440000, 0x450000, 0x460000, 0x470000, 0x480000,
     0x490000, 0x4a4000);
LIST(x64_boot_read, 0x400000, 0x4ad000, 0x4c7000, 0x4d9438);
LIST(x64_boot_written, 0x4db000, 0x4dc000, 0x4dd160, 0x4de680, 0x4df000, 0x4f3000, 0x4f5000, 0x905000, 0x907ac0,
     0xf07000, 0xfb9800, 0x110a1c0, 0x110b000, 0x1110000, 0x110fde8, 0x1111590, 0x1112000, 0x1113000);
LIST(x64_child_fetched, 0x44a000, 0x40c000);
LIST(x64_workload_fetched, 0x436000, 0x425000, 0x46d000, 0x490000);
LIST(x64_workload_read, 0x4a7000, 0x4c5000);
LIST(x64_print_fetched, 0x419000, 0x470000, 0x480000);
LIST(x64_format_fetched, 0x41a000, 0x425000, 0x43f000, 0x46d000, 0x490000);
LIST(x64_format_read, 0x4a7000, 0x4c5000);

static const struct capturer_layout x64 = {
    .file_bytes = 1006224,
    .segments = {{0x400000, 0, 0x548, 0x548, R},
                 {0x401000, 0x1000, 0xa5131, 0xa5131, RX},
                 {0x4a7000, 0xa7000, 0x310c6, 0x310c6, R},
                 {0x4d9438, 0xd8438, 0x63d8, 0xc36c88, RW}},
    .segment_count = 4,
    .relro = 0x4d9000,
    .relro_pages = 4,
    .boot_fetched = x64_boot_fetched,
    .boot_read = x64_boot_read,
    .boot_written = x64_boot_written,
    .log_bytes = 22000,
    .child_fetched = x64_child_fetched,
    .workload_fetched = x64_workload_fetched,
    .workload_read = x64_workload_read,
    .print_fetched = x64_print_fetched,
    .format_fetched = x64_format_fetched,
    .format_read = x64_format_read,
    .files = 0x4dd160,
    .dl_lock = 0x4de680,
    .fork_generation = 0x110fde8,
    .thread = 0x1111590,
    .big = 0x5058a0,
    .output_length = 0x907ac0,
    .output = 0x907ae0,
    .status_before = 0xfae500,
    .status_after = 0xfaf500,
    .vmstat_before = 0xfb4500,
    .vmstat_after = 0xfb0500,
    .zones_before = 0xfca000,
    .zones_after = 0xfba000,
    .phase = 0xfb9800,
    .phase_number = 0xfb97e8,
    .scratch = 0xfda000,
    .before = 0x10f20a0,
    .after = 0x10da000,
};

/* ---- arm64: one segment of code and constants ---- */

LIST(a64_boot_fetched, 0x401000, 0x414000, 0x422000, 0x430000, 0x44f000, 0x450000, 0x462000, 0x472000, 0x480000,
     0x49a000);
LIST(a64_boot_read, 0x4bc560);
LIST(a64_boot_written, 0x4be000, 0x4bf000, 0x4c0060, 0x4c1610, 0x4c26d0, 0x4d48f0, 0x4d68f0, 0x4d88f0, 0x4da8f0,
     0x8ea8f0, 0x8ec8f0, 0x10f2ed0, 0x10f3000, 0x10f7000, 0x10f8918, 0x10f9720, 0x10fa000, 0x1101000, 0x1109000);
LIST(a64_late_written, 0xeecae0, 0xeed2e0, 0xeede40);
LIST(a64_child_read, 0x10f8918, 0x4bf000, 0x10f7000, 0x4be000);
LIST(a64_child_fetched, 0x431000, 0x40d000);
LIST(a64_workload_fetched, 0x45c000, 0x42f000, 0x41f000, 0x44f000, 0x466000);
LIST(a64_workload_read, 0x479000, 0x488000, 0x49a000);
LIST(a64_print_fetched, 0x415000, 0x47b000, 0x48c000);
LIST(a64_format_fetched, 0x416000, 0x424000, 0x44e000, 0x466000, 0x452000);
LIST(a64_format_read, 0x479000, 0x488000);

static const struct capturer_alias a64_aliases[] = {
    {0x7fffffffaff0, 0x7fffffffb010}, /* what prints deeper elsewhere */
    {0x7fffffffd010, 0x7fffffffc010}, /* getrusage, wait4: on the page of fork */
    {0xf19b00, 0xeed540},             /* the order of a workload's pages */
    {0xfb9720, 0xeec990},             /* what sigsetjmp fills */
    {0x417e00, 0x414080},             /* sigsetjmp, sigprocmask */
    {0xfb96a8, 0xeecac8},             /* the pointer to what it shares with its child */
    {0x7fffffffc0f0, 0x7fffffffb0f0}, /* the frame of a signal, of more than a page */

    {0x42b800, 0x425f10},
};

static const struct capturer_layout a64 = {
    .file_bytes = 853824,
    .segments = {{0x400000, 0, 0xa8668, 0xa8668, RX}, {0x4bc560, 0xac560, 0x6128, 0xc3c698, RW}},
    .segment_count = 2,
    .relro = 0x4bc000,
    .relro_pages = 4,
    .boot_fetched = a64_boot_fetched,
    .boot_read = a64_boot_read,
    .boot_written = a64_boot_written,
    .log_bytes = 17586,
    .late_written = a64_late_written,
    .small_from = 0x4c2000,
    .small_to = 0x10f9000,
    .child_read = a64_child_read,
    .child_fetched = a64_child_fetched,
    .workload_fetched = a64_workload_fetched,
    .workload_read = a64_workload_read,
    .print_fetched = a64_print_fetched,
    .format_fetched = a64_format_fetched,
    .format_read = a64_format_read,
    .files = 0x4c0060,
    .dl_lock = 0x4c1610,
    .fork_generation = 0x10f8918,
    .thread = 0x10f9720,
    .big = 0x4ea8f0,
    .output_length = 0x4c26d0,
    .output = 0x8ec8f0,
    .status_before = 0xf97e40,
    .status_after = 0xf98e40,
    .vmstat_before = 0xf9de40,
    .vmstat_after = 0xf99e40,
    .zones_before = 0xfb2e40,
    .zones_after = 0xfa2e40,
    .phase = 0xeecae0,
    .phase_number = 0xeed2e0,
    .scratch = 0xfc2e40,
    .before = 0x10daed0,
    .after = 0x10c2e40,
    .aliases = a64_aliases,
    .alias_count = sizeof a64_aliases / sizeof *a64_aliases,
};

/* ---- 32-bit x86 ---- */

LIST(i386_boot_fetched, 0x8049000, 0x805b000, 0x8062000, 0x8071000, 0x8082000, 0x8090000, 0x80b0000, 0x80c0000,
     0x80d0000, 0x80e5000);
LIST(i386_boot_read, 0x8048000, 0x80e8000, 0x80f1000, 0x8105000, 0x8125aac);
LIST(i386_boot_written, 0x8126000, 0x8127000, 0x8128cd8, 0x8129680, 0x813b6a0, 0x813d6a0, 0x81416a0, 0x85516a0,
     0x85537c0, 0x8b537e0, 0x8d4ddcc, 0x8d4e000, 0x8d50e6c, 0x8d523e0, 0x8d53000, 0x8d5a000, 0x8d62000);
LIST(i386_late_written, 0x8bfd520, 0x8b53840);
LIST(i386_child_fetched, 0x808e000, 0x804a000);
LIST(i386_workload_fetched, 0x807b000, 0x805b000, 0x8090000, 0x80c5000, 0x806e000, 0x80b0000, 0x80d0000);
LIST(i386_workload_read, 0x80f1000, 0x80e8000, 0x8105000);
LIST(i386_print_fetched, 0x8063000, 0x8082000, 0x80be000);
LIST(i386_format_fetched, 0x8062000, 0x8072000, 0x80b0000, 0x80c5000, 0x80d0000);
LIST(i386_format_read, 0x80e8000, 0x80f1000, 0x8105000);

static const struct capturer_alias i386_aliases[] = {
    /* the functions of workloads that fork */
    {0x40ed30, 0x80591f0}, {0x40a130, 0x8053710}, {0x40fe50, 0x805a5c0}, {0x406f30, 0x804fee0}, {0x40ad60, 0x80545a0},

    {0xf19b00, 0x8b69840}, {0xfb9720, 0x8bfd480}, {0x417e00, 0x80626b0}, {0x42b800, 0x8074bf0}, {0xfb96a8, 0x8bfd408},
};

static const struct capturer_layout i386 = {
    .file_bytes = 1003268,
    .segments = {{0x8048000, 0, 0x1f8, 0x1f8, R},
                 {0x8049000, 0x1000, 0x9e96c, 0x9e96c, RX},
                 {0x80e8000, 0xa0000, 0x3ce4f, 0x3ce4f, R},
                 {0x8125aac, 0xddaac, 0x3bac, 0xc2b5a4, RW}},
    .segment_count = 4,
    .relro = 0x8125000,
    .relro_pages = 3,
    .boot_fetched = i386_boot_fetched,
    .boot_read = i386_boot_read,
    .boot_written = i386_boot_written,
    .log_bytes = 24677,
    .late_written = i386_late_written,
    .small_from = 0x8129000,
    .small_to = 0x8d52000,
    .child_fetched = i386_child_fetched,
    .workload_fetched = i386_workload_fetched,
    .workload_read = i386_workload_read,
    .print_fetched = i386_print_fetched,
    .format_fetched = i386_format_fetched,
    .format_read = i386_format_read,
    .files = 0x8128140,
    .dl_lock = 0x8128cd8,
    .fork_generation = 0x8d50e6c,
    .thread = 0x8d523e0,
    .big = 0x81516a0,
    .output_length = 0x85537c0,
    .output = 0x85537e0,
    .status_before = 0x8bf2240,
    .status_after = 0x8bf3240,
    .vmstat_before = 0x8bf8240,
    .vmstat_after = 0x8bf4240,
    .zones_before = 0x8c0dd20,
    .zones_after = 0x8bfdd20,
    .phase = 0x8bfd520,
    .phase_number = 0x8bfd51c,
    .scratch = 0x8c1dd20,
    .before = 0x8d35d80,
    .after = 0x8d1dd20,
    .no_nodes = 0x8bfc240,
    .drained = 0x8140000,
    .gate = true,
    .yields_higher = true,
    .aliases = i386_aliases,
    .alias_count = sizeof i386_aliases / sizeof *i386_aliases,
};

const struct capturer_layout *capturer_layout_of(const struct vmsim_machine *m) {
    if (m->mem->arch == VMSIM__ARCH_X86_32 || m->mem->arch == VMSIM__ARCH_X86_PAE)
        return &i386;
    return m->mem->arch == VMSIM__ARCH_ARM64 ? &a64 : &x64;
}
