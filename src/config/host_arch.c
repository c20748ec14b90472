/* SPDX-License-Identifier: MIT */
/* Which architecture a capture is of, and how large its pages are: from what its kernel says of itself, each source
 * being asked only where the better ones are silent.
 *
 *     architecture:  machine.txt (uname) > release ("6.1.0-50-686-pae") > traits of the log and of zones > x86-64
 *     page size:     bytes of "Early memory node ranges" or System RAM / pages present */
#include "config/host_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static const char *file(struct vmsim__import *im, const char *name) {
    const char *text = vmsim__capture_text(im->capture, name);
    return text ? text : "";
}

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && !strcmp(text + n - m, end);
}

/* What uname calls a machine. -1: none that is modelled; 32-bit x86 is told apart below. */
static int arch_of_machine(const char *machine) {
    VMSIM__ASSERT(machine);
    static const struct {
        const char *name;
        int arch;
    } known[] = {{"x86_64", VMSIM__ARCH_X86_64}, {"aarch64", VMSIM__ARCH_ARM64}, {"arm64", VMSIM__ARCH_ARM64},
                 {"i386", VMSIM__ARCH_X86_32},   {"i486", VMSIM__ARCH_X86_32},   {"i586", VMSIM__ARCH_X86_32},
                 {"i686", VMSIM__ARCH_X86_32},   {"riscv64", VMSIM__ARCH_RISCV}, {"armv7l", VMSIM__ARCH_ARM}};
    for (size_t i = 0; i < VMSIM__COUNT(known); i++) {
        if (!strcmp(known[i].name, machine))
            return known[i].arch;
    }
    return -1;
}

/* What a distribution's release ends in, told by the names of Debian's flavours. */
static int arch_of_release(const char *release) {
    VMSIM__ASSERT(release);
    static const struct {
        const char *end;
        int arch;
    } known[] = {{"-amd64", VMSIM__ARCH_X86_64},    {"-686", VMSIM__ARCH_X86_32},
                 {"-686-pae", VMSIM__ARCH_X86_PAE}, {"-arm64", VMSIM__ARCH_ARM64},
                 {"-arm64-16k", VMSIM__ARCH_ARM64}, {"-riscv64", VMSIM__ARCH_RISCV},
                 {"-armmp", VMSIM__ARCH_ARM},       {"-armmp-lpae", VMSIM__ARCH_ARM_LPAE}};
    for (size_t i = 0; i < VMSIM__COUNT(known); i++) {
        if (ends_with(release, known[i].end))
            return known[i].arch;
    }
    return -1;
}

/* 32-bit x86 without PAE has huge pages of 4 MiB, 32-bit ARM without LPAE none. */
static bool has_wide_entries(struct vmsim__import *im) {
    const char *meminfo = file(im, "proc_meminfo.txt");
    char size[64];
    if (vmsim__line_value(meminfo, "Hugepagesize", size, sizeof size))
        return strtoull(size, NULL, 10) == 2048;
    return strstr(file(im, "dmesg_mm.txt"), "max_arch_pfn = 0x1000000") != NULL;
}

static int refuse(struct vmsim__import *im, const char *name, const char *what) {
    return vmsim__err_set(im->err, VMSIM_ENOSYS, "%s: %s; captures of x86, ARM and RISC-V machines can be imported",
                          name, what);
}

/* What shows in other files when nothing names the architecture. */
static int arch_of_traits(struct vmsim__import *im, const char **why) {
    const char *dmesg = file(im, "dmesg_mm.txt");
    bool highmem = strstr(file(im, "proc_zoneinfo.txt"), "zone  HighMem") != NULL;
    *why = NULL;
    if (strstr(dmesg, "Booting Linux on physical CPU 0x0000000000"))
        return VMSIM__ARCH_ARM64; /* 64-bit kernels print ten digits */
    if (strstr(dmesg, "Booting Linux on physical CPU"))
        return VMSIM__ARCH_ARM;
    if (strstr(dmesg, "Booting Linux on hartid"))
        return VMSIM__ARCH_RISCV;
    if (!highmem)
        return VMSIM__ARCH_X86_64;
    *why = "a zone HighMem, so a 32-bit machine of an unknown kind";
    return strstr(dmesg, "BIOS-e820") ? VMSIM__ARCH_X86_32 : -1;
}

/* The surest source first: what uname said, then the flavour of the kernel's name, then traits of its boot log. What
 * was gone by is written into the file as a comment. */
static int find_arch(struct vmsim__import *im) {
    char machine[64] = "", release[128] = "";
    const char *text = file(im, "machine.txt"), *version = file(im, "proc_version.txt"), *why;
    im->spec.arch = VMSIM__ARCH_X86_64;
    im->arch_origin = "nothing says otherwise";
    if (vmsim__line_value(text, "arch", machine, sizeof machine)) {
        char what[96];
        snprintf(what, sizeof what, "a machine of architecture %s", machine);
        im->spec.arch = arch_of_machine(machine);
        im->arch_origin = "machine.txt: uname";
        if (im->spec.arch < 0)
            return refuse(im, "machine.txt", what);
    } else if (sscanf(version, "Linux version %127s", release) == 1 && arch_of_release(release) >= 0) {
        im->spec.arch = arch_of_release(release);
        im->arch_origin = "proc_version.txt: the kernel's flavour";
    } else {
        im->spec.arch = arch_of_traits(im, &why);
        if (im->spec.arch != VMSIM__ARCH_X86_64)
            im->arch_origin = "dmesg_mm.txt, proc_zoneinfo.txt: by its traits";
        if (im->spec.arch < 0)
            return refuse(im, strstr(why, "HighMem") ? "proc_zoneinfo.txt" : "dmesg_mm.txt", why);
    }
    if (im->spec.arch == VMSIM__ARCH_X86_32 && has_wide_entries(im))
        im->spec.arch = VMSIM__ARCH_X86_PAE;
    if (im->spec.arch == VMSIM__ARCH_ARM && has_wide_entries(im))
        im->spec.arch = VMSIM__ARCH_ARM_LPAE;
    return 0;
}

/* Bytes of memory that the log or the resource tree shows, zones' pages being counted over the same. */
static uint64_t bytes_of_memory(struct vmsim__import *im) {
    char line[512], *end;
    uint64_t bytes = 0;
    unsigned node;
    unsigned long long a, b;
    const char *at = file(im, "dmesg_mm.txt");
    while (vmsim__next_line(&at, line, sizeof line)) {
        if (sscanf(line, " node %u: [mem 0x%llx-0x%llx]", &node, &a, &b) == 3 && b > a)
            bytes += b - a + 1;
    }
    for (at = file(im, "proc_iomem.txt"); !bytes && vmsim__next_line(&at, line, sizeof line);) {
        a = strtoull(line, &end, 16);
        b = *end == '-' ? strtoull(end + 1, &end, 16) : 0;
        if (*line != ' ' && b > a && strstr(line, ": System RAM"))
            bytes += b - a + 1;
    }
    return bytes;
}

/* arm64 alone has a choice; an estimate of the right size is nearest to one of three powers of four. */
static void find_page_size(struct vmsim__import *im) {
    char line[512];
    uint64_t pages = 0;
    unsigned long long n;
    const char *at = file(im, "proc_zoneinfo.txt");
    im->page = 4096;
    if (im->spec.arch != VMSIM__ARCH_ARM64)
        return;
    while (vmsim__next_line(&at, line, sizeof line)) {
        if (sscanf(line, " present %llu", &n) == 1)
            pages += n;
    }
    uint64_t size = pages ? bytes_of_memory(im) / pages : 0;
    im->page = size > 32768 ? 65536 : size > 8192 ? 16384 : 4096;
    if (!size)
        vmsim__capture_note(im->capture, "proc_zoneinfo.txt",
                            "the size of pages cannot be told from it and the memory map: 4 KiB is taken");
}

int vmsim__import_arch(struct vmsim__import *im) {
    int rc = find_arch(im);
    if (!rc)
        find_page_size(im);
    im->spec.page_size = im->page;
    return rc;
}

const char *vmsim__import_format(const struct vmsim__import *im) {
    switch (im->spec.arch) {
    case VMSIM__ARCH_X86_32:
        return "x86_32";
    case VMSIM__ARCH_X86_PAE:
        return "x86_pae";
    case VMSIM__ARCH_ARM64:
        return im->page == 4096 ? "arm64_4k" : im->page == 16384 ? "arm64_16k" : "arm64_64k";
    case VMSIM__ARCH_RISCV:
        return "riscv_sv48";
    case VMSIM__ARCH_ARM:
        return "arm";
    case VMSIM__ARCH_ARM_LPAE:
        return "arm_lpae";
    default:
        return im->la57 ? "x86_64_la57" : "x86_64";
    }
}
