/* SPDX-License-Identifier: MIT */
/* The page of kernel code that Linux gives every program and QEMU does not: an object without functions.
 *
 * ld.so links it in like a library: it reads the page and takes memory for it, and that memory decides where the first
 * mappings come to lie. Other runtimes (Go, musl, Rust's) read it by themselves and trust that everything is there that
 * Linux's has: both hash tables, symbol versions, notes, section headers. No function is found in it, so that clocks
 * are read by system calls, and a replay knows them as calls of the vdso. The auxiliary vector has no room for one more
 * entry; AT_FLAGS, which is always 0 and which nobody reads, gives up its own.
 *
 *     0       ELF header, program headers, dynamic section, symbols, hash tables, versions, notes, names, sections
 *     2 pages                                                  Kernel counterpart: arch/x86/entry/vdso/vdso.lds.S */
#include <elf.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include "trace/plugin/plugin.h"

enum { BYTES = 8192 };
/* The version that its functions have on x86-64, and the one symbol that there is: the version's own. */
static const char soname[] = "linux-vdso.so.1", version_name[] = "LINUX_2.6";
enum { VERSION_BASE = 1, VERSION_LINUX = 2, SYMBOLS = 2, VERSIONS = 2, BUILD_ID = 3, BUILD_ID_BYTES = 20 };
enum { NAME_SO = 1, NAME_VERSION = NAME_SO + sizeof soname };
/* In the order of struct object. */
enum { S_NULL, S_HASH, S_GNU_HASH, S_SYMBOLS, S_STRINGS, S_VERSYM, S_VERDEF, S_NOTE, S_DYNAMIC, S_NAMES, SECTIONS };
enum { SECTION_NAME = 16 };

struct gnu_hash {
    uint32_t buckets, first, words, shift;
    uint64_t bloom;
    uint32_t bucket, chain; /* of the version's symbol */
};

struct object {
    Elf64_Ehdr header;
    Elf64_Phdr segment[3];
    Elf64_Dyn dynamic[11];
    Elf64_Sym symbol[SYMBOLS];
    uint32_t hash[3 + SYMBOLS]; /* one bucket */
    struct gnu_hash gnu_hash;
    Elf64_Half versym[SYMBOLS];
    struct {
        Elf64_Verdef def;
        Elf64_Verdaux aux;
    } verdef[VERSIONS];
    struct {
        Elf64_Nhdr head;
        char owner[8];
        uint32_t release;
    } release; /* as LINUX_VERSION_CODE */
    struct {
        Elf64_Nhdr head;
        char owner[4];
        unsigned char id[BUILD_ID_BYTES];
    } build;
    char strings[32];
    char names[SECTIONS][SECTION_NAME];
    Elf64_Shdr section[SECTIONS];
};

/* The two hash functions of ELF names: the System V ABI's and GNU's. */
static uint32_t sysv_hash(const char *name) {
    uint32_t h = 0;
    for (; *name; name++) {
        h = (h << 4) + (unsigned char)*name;
        h ^= (h & 0xf0000000) >> 24;
        h &= 0x0fffffff;
    }
    return h;
}

static uint32_t gnu_hash(const char *name) {
    uint32_t h = 5381;
    for (; *name; name++)
        h = h * 33 + (unsigned char)*name;
    return h;
}

static void fill_header(struct object *o) {
    o->header = (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_DYN,
                             .e_machine = EM_X86_64,
                             .e_version = EV_CURRENT,
                             .e_phoff = offsetof(struct object, segment),
                             .e_shoff = offsetof(struct object, section),
                             .e_ehsize = sizeof o->header,
                             .e_phentsize = sizeof o->segment[0],
                             .e_phnum = sizeof o->segment / sizeof o->segment[0],
                             .e_shentsize = sizeof o->section[0],
                             .e_shnum = SECTIONS,
                             .e_shstrndx = S_NAMES};
    o->segment[0] =
        (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = BYTES, .p_memsz = BYTES, .p_align = 4096};
    o->segment[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC,
                                 .p_flags = PF_R,
                                 .p_offset = offsetof(struct object, dynamic),
                                 .p_vaddr = offsetof(struct object, dynamic),
                                 .p_filesz = sizeof o->dynamic,
                                 .p_memsz = sizeof o->dynamic,
                                 .p_align = 8};
    o->segment[2] = (Elf64_Phdr){.p_type = PT_NOTE,
                                 .p_flags = PF_R,
                                 .p_offset = offsetof(struct object, release),
                                 .p_vaddr = offsetof(struct object, release),
                                 .p_filesz = sizeof o->release + sizeof o->build,
                                 .p_memsz = sizeof o->release + sizeof o->build,
                                 .p_align = 4};
}

static void fill_symbols(struct object *o) {
    const uint32_t h = gnu_hash(version_name);
    memcpy(o->strings + NAME_SO, soname, sizeof soname);
    memcpy(o->strings + NAME_VERSION, version_name, sizeof version_name);
    o->symbol[1] =
        (Elf64_Sym){.st_name = NAME_VERSION, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), .st_shndx = SHN_ABS};
    const uint32_t hash[] = {1, SYMBOLS, 1, 0, 0};
    memcpy(o->hash, hash, sizeof hash);
    o->gnu_hash = (struct gnu_hash){.buckets = 1,
                                    .first = 1,
                                    .words = 1,
                                    .shift = 6,
                                    .bloom = UINT64_C(1) << h % 64 | UINT64_C(1) << (h >> 6) % 64,
                                    .bucket = 1,
                                    .chain = h | 1};
}

static void fill_versions(struct object *o) {
    static const struct {
        const char *text;
        unsigned name, flags;
    } versions[VERSIONS] = {{soname, NAME_SO, VER_FLG_BASE}, {version_name, NAME_VERSION, 0}};
    o->versym[1] = VERSION_LINUX;
    for (unsigned i = 0; i < VERSIONS; i++) {
        o->verdef[i].def = (Elf64_Verdef){.vd_version = VER_DEF_CURRENT,
                                          .vd_flags = (Elf64_Half)versions[i].flags,
                                          .vd_ndx = (Elf64_Half)(VERSION_BASE + i),
                                          .vd_cnt = 1,
                                          .vd_hash = sysv_hash(versions[i].text),
                                          .vd_aux = sizeof o->verdef[i].def,
                                          .vd_next = i + 1 < VERSIONS ? sizeof o->verdef[i] : 0};
        o->verdef[i].aux = (Elf64_Verdaux){.vda_name = versions[i].name};
    }
}

/* The kernel's release, which ld.so asks for, and a build id. */
static void fill_notes(struct object *o) {
    struct utsname host;
    unsigned major = 0, minor = 0, patch = 0;
    if (uname(&host) == 0)
        sscanf(host.release, "%u.%u.%u", &major, &minor, &patch);
    o->release.head = (Elf64_Nhdr){.n_namesz = sizeof "Linux", .n_descsz = sizeof o->release.release};
    memcpy(o->release.owner, "Linux", sizeof "Linux");
    o->release.release = major << 16 | minor << 8 | (patch < 255 ? patch : 255);
    o->build.head = (Elf64_Nhdr){.n_namesz = sizeof "GNU", .n_descsz = BUILD_ID_BYTES, .n_type = BUILD_ID};
    memcpy(o->build.owner, "GNU", sizeof "GNU");
    memcpy(o->build.id, "vmsim stand-in vdso", BUILD_ID_BYTES);
}

static void fill_dynamic(struct object *o) {
    const Elf64_Dyn dynamic[] = {
        {DT_SONAME, {NAME_SO}},
        {DT_HASH, {offsetof(struct object, hash)}},
        {DT_GNU_HASH, {offsetof(struct object, gnu_hash)}},
        {DT_STRTAB, {offsetof(struct object, strings)}},
        {DT_SYMTAB, {offsetof(struct object, symbol)}},
        {DT_STRSZ, {sizeof o->strings}},
        {DT_SYMENT, {sizeof o->symbol[0]}},
        {DT_VERDEF, {offsetof(struct object, verdef)}},
        {DT_VERDEFNUM, {VERSIONS}},
        {DT_VERSYM, {offsetof(struct object, versym)}},
        {DT_NULL, {0}},
    };
    _Static_assert(sizeof dynamic == sizeof o->dynamic, "every entry has its place");
    memcpy(o->dynamic, dynamic, sizeof dynamic);
}

#define SECTION(at, name_, type, member, linked, size_of_entry)                                                        \
    [at] = {name_, type, linked, (uint32_t)offsetof(struct object, member), (uint32_t)sizeof o->member, size_of_entry}

static void fill_sections(struct object *o) {
    const struct {
        const char *name;
        uint32_t type, link, offset, size, entry;
    } sections[SECTIONS] = {
        SECTION(S_HASH, ".hash", SHT_HASH, hash, S_SYMBOLS, 4),
        SECTION(S_GNU_HASH, ".gnu.hash", SHT_GNU_HASH, gnu_hash, S_SYMBOLS, 0),
        SECTION(S_SYMBOLS, ".dynsym", SHT_DYNSYM, symbol, S_STRINGS, sizeof(Elf64_Sym)),
        SECTION(S_STRINGS, ".dynstr", SHT_STRTAB, strings, 0, 0),
        SECTION(S_VERSYM, ".gnu.version", SHT_GNU_versym, versym, S_SYMBOLS, sizeof(Elf64_Half)),
        SECTION(S_VERDEF, ".gnu.version_d", SHT_GNU_verdef, verdef, S_STRINGS, 0),
        SECTION(S_NOTE, ".note", SHT_NOTE, release, 0, 0),
        SECTION(S_DYNAMIC, ".dynamic", SHT_DYNAMIC, dynamic, S_STRINGS, sizeof(Elf64_Dyn)),
        SECTION(S_NAMES, ".shstrtab", SHT_STRTAB, names, 0, 0),
    };
    for (unsigned i = 1; i < SECTIONS; i++) {
        bool loaded = i != S_NAMES;
        snprintf(o->names[i], sizeof o->names[i], "%s", sections[i].name);
        o->section[i] = (Elf64_Shdr){.sh_name = i * SECTION_NAME,
                                     .sh_type = sections[i].type,
                                     .sh_flags = loaded ? SHF_ALLOC : 0,
                                     .sh_addr = loaded ? sections[i].offset : 0,
                                     .sh_offset = sections[i].offset,
                                     .sh_size = sections[i].size,
                                     .sh_link = sections[i].link,
                                     .sh_info = i == S_VERDEF    ? VERSIONS
                                                : i == S_SYMBOLS ? 1
                                                                 : 0,
                                     .sh_addralign = 1,
                                     .sh_entsize = sections[i].entry};
    }
}

static void fill(struct object *o) {
    _Static_assert(sizeof *o <= BYTES && sizeof o->strings >= NAME_VERSION + sizeof version_name, "all fits");
    fill_header(o);
    fill_symbols(o);
    fill_versions(o);
    fill_notes(o);
    fill_dynamic(o);
    fill_sections(o);
}

/* Bytes of the host's own [vvar] and [vdso]: what the program maps comes right below as many. */
static uint64_t bytes_of_kernels(void) {
    FILE *f = fopen("/proc/self/maps", "re");
    char line[4600];
    uint64_t from, to, sum = 0;
    while (f && fgets(line, sizeof line, f))
        if ((strstr(line, "[vvar") || strstr(line, "[vdso]")) && sscanf(line, "%lx-%lx", &from, &to) == 2)
            sum += to - from;
    if (f)
        fclose(f);
    return sum > BYTES && sum < 64 * BYTES ? sum : BYTES;
}

/* `auxv`: the guest's auxiliary vector, before its first instruction. Guest addresses are host addresses. */
uint64_t plugin_vdso(uint64_t *auxv, uint64_t *bytes, uint64_t *below) {
    const uint64_t all = bytes_of_kernels();
    while (auxv[0] != AT_NULL && auxv[0] != AT_FLAGS && auxv[0] != AT_SYSINFO_EHDR)
        auxv += 2;
    if (auxv[0] != AT_FLAGS || auxv[1])
        return 0;
    char *block = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 0;
    void *at = block + all - BYTES;
    fill(at);
    mprotect(block, all, PROT_READ);
    auxv[0] = AT_SYSINFO_EHDR;
    auxv[1] = (uint64_t)(uintptr_t)at;
    *bytes = BYTES;
    *below = all - BYTES;
    return auxv[1];
}
