/* The clock of a machine that a test sets: what programs read as the time of day is moved by the seconds in a file.
   The monotonic clock goes on as it was, as it does when a clock is set. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t none = 0;
static volatile const int64_t *ahead = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DYCK_AUDIT_TEST_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *shared = file < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, file, 0);
    if (shared != MAP_FAILED) ahead = shared;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t which, struct timespec *at) {
    int status = syscall(SYS_clock_gettime, which, at);
    if (status == 0 && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += *ahead;
    return status;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) {
        at->tv_sec = now.tv_sec;
        at->tv_usec = now.tv_nsec / 1000;
    }
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* The kernel waits by its own clock, which was not moved. */
int sem_timedwait(sem_t *restrict what, const struct timespec *restrict until) {
    static int (*real)(sem_t *, const struct timespec *);
    struct timespec by_kernel = *until;
    if (!real) real = dlsym(RTLD_NEXT, "sem_timedwait");
    by_kernel.tv_sec -= *ahead;
    return real(what, &by_kernel);
}
