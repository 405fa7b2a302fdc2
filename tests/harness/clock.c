/* Shift the clock of a process by the seconds in the file $TEST_CLOCK (LD_PRELOAD).
 *
 * The file is mapped into memory, so a change takes effect at once, as when the clock of a machine is
 * set. The running clock stays as it is. libfaketime cannot do this with the web server: it also
 * replaces functions that wait, and some of them then fail with EINVAL.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static int (*real_gettime)(clockid_t, struct timespec *);
static int (*real_timedwait)(sem_t *, const struct timespec *);
static const volatile int64_t *shift;

static void load(void)
{
    int file = open(getenv("TEST_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *seconds = mmap(NULL, sizeof *shift, PROT_READ, MAP_SHARED, file, 0);

    if (seconds == MAP_FAILED)
        abort();
    real_timedwait = dlsym(RTLD_NEXT, "sem_timedwait");
    shift = seconds;
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *at)
{
    int result;

    if (real_gettime == NULL)
        load();
    result = real_gettime(clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += *shift;
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (at != NULL)
        *at = now.tv_sec;
    return now.tv_sec;
}

/* The kernel compares the deadline with its own clock. */
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec real = *until;

    if (real_gettime == NULL)
        load();
    real.tv_sec -= *shift;
    return real_timedwait(semaphore, &real);
}
