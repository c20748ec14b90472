/* SPDX-License-Identifier: MIT */
/* Threads that map, touch and unmap memory of their own, read a file, and hand a token round with a lock. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 12, BYTES = 256 << 10 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t passed = PTHREAD_COND_INITIALIZER;
static int token;
static unsigned long sum;
static unsigned char shared[THREADS * 4096];

static void *work(void *argument) {
    const int own = (int)(long)argument;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED)
            return NULL;
        memset(p, own + round, BYTES / (size_t)(1 + own));
        pthread_mutex_lock(&lock);
        while (token != own)
            pthread_cond_wait(&passed, &lock);
        sum += p[0] + shared[own * 4096];
        shared[(own + 1) % THREADS * 4096] = (unsigned char)sum;
        token = (own + 1) % THREADS;
        pthread_cond_broadcast(&passed);
        pthread_mutex_unlock(&lock);
        munmap(p, BYTES);
    }
    int fd = open("/proc/self/exe", O_RDONLY);
    char buffer[4096];
    if (fd >= 0 && pread(fd, buffer, sizeof buffer, own * 4096) < 0)
        return NULL;
    close(fd);
    return argument;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)i))
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("%lu\n", sum);
    return 0;
}
