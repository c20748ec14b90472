/* SPDX-License-Identifier: MIT */
/* The page of kernel code that Linux gives every program and QEMU does not: an object without symbols.
 *
 * ld.so links it in like a library: it reads the page and takes memory for it, and that memory decides where the first
 * mappings come to lie. Nothing is found in it, so that clocks are read by system calls. The auxiliary vector has no
 * room for one more entry; AT_FLAGS, which is always 0 and which nobody reads, gives up its own.
 *
 *     0       ELF header, program headers, dynamic section, symbol 0, hash table, strings
 *     2 pages                                                  Kernel counterpart: arch/x86/entry/vdso/vdso.lds.S */
#include <elf.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "trace/plugin/plugin.h"

enum { BYTES = 8192 };

struct object {
    Elf64_Ehdr header;
    Elf64_Phdr segment[2];
    Elf64_Dyn dynamic[7];
    Elf64_Sym symbol;
    uint32_t hash[4]; /* one bucket, one chain, both empty */
    char strings[24];
};

static void fill(struct object *o) {
    static const char name[] = "linux-vdso.so.1";
    o->header = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_DYN,
                             .e_machine = EM_X86_64,
                             .e_version = EV_CURRENT,
                             .e_phoff = offsetof(struct object, segment),
                             .e_ehsize = sizeof o->header,
                             .e_phentsize = sizeof o->segment[0],
                             .e_phnum = 2};
    o->segment[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = BYTES, .p_memsz = BYTES};
    o->segment[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
                                 .p_flags = PF_R,
                                 .p_offset = offsetof(struct object, dynamic),
                                 .p_vaddr = offsetof(struct object, dynamic),
                                 .p_filesz = sizeof o->dynamic,
                                 .p_memsz = sizeof o->dynamic};
    const Elf64_Dyn dynamic[] = {
        {DT_SONAME, {1}},
        {DT_HASH, {offsetof(struct object, hash)}},
        {DT_STRTAB, {offsetof(struct object, strings)}},
        {DT_SYMTAB, {offsetof(struct object, symbol)}},
        {DT_STRSZ, {sizeof o->strings}},
        {DT_SYMENT, {sizeof o->symbol}},
        {DT_NULL, {0}},
    };
    memcpy(o->dynamic, dynamic, sizeof dynamic);
    o->hash[0] = o->hash[1] = 1;
    memcpy(o->strings + 1, name, sizeof name);
}

/* `auxv`: the guest's auxiliary vector, before its first instruction. Guest addresses are host addresses. */
uint64_t plugin_vdso(uint64_t *auxv, uint64_t *bytes) {
    while (auxv[0] != AT_NULL && auxv[0] != AT_FLAGS && auxv[0] != AT_SYSINFO_EHDR)
        auxv += 2;
    if (auxv[0] != AT_FLAGS || auxv[1])
        return 0;
    void *at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return 0;
    fill(at);
    mprotect(at, BYTES, PROT_READ);
    auxv[0] = AT_SYSINFO_EHDR;
    auxv[1] = (uint64_t)(uintptr_t)at;
    *bytes = BYTES;
    return auxv[1];
}
