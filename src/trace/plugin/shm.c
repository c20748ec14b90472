/* SPDX-License-Identifier: MIT */
/* System V segments: files without a name, which shmat maps whole and shmdt unmaps. Their identity is their number, so
 * that a segment that is attached twice is one memory. A segment is gone with IPC_RMID and its last user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "trace/plugin/plugin.h"

/* No device has this number; segments lie in a file system of the kernel's own. */
#define SHM_DEVICE (UINT64_C(1) << 40)

static struct attached { uint64_t va, bytes; } * table;
static size_t attached, room;

static struct arena_file segment(int id, uint64_t bytes) {
    return (struct arena_file){
        .dev = SHM_DEVICE, .ino = (uint64_t)(unsigned)id + 1, .size = bytes, .kind = VMSIM_TRACE_FILE_SHM, .known = 1};
}

static void remember(uint64_t va, uint64_t bytes) {
    pthread_mutex_lock(&plugin.lock);
    if (attached == room) {
        size_t more = room ? 2 * room : 64;
        struct attached *grown = realloc(table, more * sizeof *table);
        if (grown) {
            table = grown;
            room = more;
        }
    }
    if (attached < room)
        table[attached++] = (struct attached){va, bytes};
    pthread_mutex_unlock(&plugin.lock);
}

/* The length of what is attached at `va`, and forgets it; 0: nothing is. */
static uint64_t forget(uint64_t va) {
    uint64_t bytes = 0;
    pthread_mutex_lock(&plugin.lock);
    for (size_t i = 0; i < attached && !bytes; i++)
        if (table[i].va == va) {
            bytes = table[i].bytes;
            table[i] = table[--attached];
        }
    pthread_mutex_unlock(&plugin.lock);
    return bytes;
}

static bool attach(struct vcpu *v, int64_t result) {
    struct shmid_ds ds;
    char name[32];
    if (shmctl((int)v->args[0], IPC_STAT, &ds))
        return false;
    struct arena_event e = {.type = VMSIM_TRACE_MMAP, .result = result, .file = segment((int)v->args[0], ds.shm_segsz)};
    struct arena_event f = {.type = ARENA_FILE, .file = e.file};
    snprintf(name, sizeof name, "/SYSV%08x", (unsigned)ds.shm_perm.__key);
    if (!plugin_file_told(&f.file))
        plugin_event(v, &f, name, NULL, NULL);
    remember((uint64_t)result, ds.shm_segsz);
    e.args[0] = v->args[1];
    e.args[1] = ds.shm_segsz;
    e.args[2] =
        (v->args[2] & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE) | (v->args[2] & SHM_EXEC ? PROT_EXEC : 0);
    e.args[3] = MAP_SHARED;
    plugin_event(v, &e, NULL, NULL, NULL);
    return true;
}

bool plugin_shm_after(struct vcpu *v, int64_t result) {
    struct arena_event e = {.type = VMSIM_TRACE_MUNMAP, .args = {v->args[0]}};
    if (result < 0 && result > -4096)
        return false;
    if (v->number == SYS_shmat)
        return attach(v, result);
    if (v->number == SYS_shmdt && (e.args[1] = forget(v->args[0])) != 0) {
        plugin_event(v, &e, NULL, NULL, NULL);
        return true;
    }
    if (v->number == SYS_shmctl && v->args[1] == IPC_RMID) {
        e = (struct arena_event){.type = VMSIM_TRACE_UNLINK, .file = segment((int)v->args[0], 0)};
        plugin_event(v, &e, NULL, NULL, NULL);
    }
    return false;
}
