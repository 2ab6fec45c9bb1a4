// The lower bound of a sampler: sleep to absolute deadlines and pread the given files, nothing else.
//   floor INTERVAL_NS COUNT [FILE …]
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: floor INTERVAL_NS COUNT [FILE ...]\n");
    return 2;
  }
  uint64_t interval = strtoull(argv[1], NULL, 10);
  uint64_t count = strtoull(argv[2], NULL, 10);
  enum { MAX_FILES = 16 };
  int files[MAX_FILES];
  int used = 0;
  for (int index = 3; index < argc && used < MAX_FILES; index++) {
    files[used] = open(argv[index], O_RDONLY | O_CLOEXEC);
    if (files[used] < 0) {
      perror(argv[index]);
      return 1;
    }
    used++;
  }
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  static char buffer[1 << 16];
  struct timespec start;
  clock_gettime(CLOCK_MONOTONIC, &start);
  uint64_t base = (uint64_t)start.tv_sec * 1000000000u + (uint64_t)start.tv_nsec;
  uint64_t late = 0, skipped = 0;
  for (uint64_t k = 1; k <= count; k++) {
    uint64_t deadline = base + k * interval;
    struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    if (interval > 0)
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
      }
    struct timespec woke;
    clock_gettime(CLOCK_MONOTONIC, &woke);
    uint64_t now = (uint64_t)woke.tv_sec * 1000000000u + (uint64_t)woke.tv_nsec;
    if (interval > 0 && now - deadline >= interval) {
      uint64_t latest = (now - base) / interval;
      if (latest > count) latest = count;
      skipped += latest - k;
      k = latest;
    } else if (interval > 0 && (now - deadline) * 2 > interval) {
      late++;
    }
    for (int index = 0; index < used; index++)
      if (pread(files[index], buffer, sizeof buffer, 0) < 0) return 1;
  }
  printf("%llu deadlines, %llu late, %llu skipped\n", (unsigned long long)count,
         (unsigned long long)late, (unsigned long long)skipped);
  return 0;
}
