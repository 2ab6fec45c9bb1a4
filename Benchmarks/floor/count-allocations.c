// LD_PRELOAD interposer for Benchmarks/count-allocations: see there.
#define _GNU_SOURCE
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_ulong others, sampling, readings;
// 0: not known yet, 1: another thread, 2: a sampling thread.
static __thread int kind;
static __thread int between;

static void classify(void) {
  char name[16] = "";
  prctl(PR_GET_NAME, name, 0, 0, 0);
  kind = strncmp(name, "lb-sample-", 10) == 0 ? 2 : 1;
}

static void count(void) {
  if (between)
    atomic_fetch_add(&sampling, 1);
  else
    atomic_fetch_add(&others, 1);
}

void *malloc(size_t size) { count(); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { count(); return __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { count(); return __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
  count();
  *result = __libc_memalign(alignment, size);
  return *result == NULL ? ENOMEM : 0;
}

// A parked sampling thread does not ask for the time: from the first time on it has been started.
int clock_gettime(clockid_t clock, struct timespec *time) {
  if (kind == 0) classify();
  if (kind == 2) {
    between = 1;
    atomic_fetch_add(&readings, 1);
  }
  return (int)syscall(SYS_clock_gettime, clock, time);
}

__attribute__((destructor)) static void report(void) {
  const char *path = getenv("LB_COUNT_FILE");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file == NULL) return;
  unsigned long o = others, s = sampling, r = readings;
  fprintf(file, "others %lu\nsampling %lu readings %lu\n", o, s, r);
  fclose(file);
}
