// The lower bound of a sampler: sleep to absolute deadlines and read the given files, nothing else.
//   floor INTERVAL_NS COUNT [FILE[@CADENCE] …]
// A file with a cadence is read at each such deadline only. It prints how deadlines were kept, the
// nanoseconds of its own thread's CPU clock in the loop, and how late rounds began, as median and 99th
// percentile. With an interval of 0 it does not sleep, and
// prints the median nanoseconds of a round. Files are read to their end: most of /proc gives a
// page at a time, and only a read that fills no half page was surely the last.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILES = 4096, SURELY_WHOLE = 2048 };
static char buffer[1 << 20];

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int read_whole(int file, size_t room) {
  size_t have = 0;
  while (have < room) {
    ssize_t more = pread(file, buffer + have, room - have, (off_t)have);
    // A link that is down refuses to tell its speed.
    if (more < 0) return errno == EINVAL ? 0 : -1;
    have += (size_t)more;
    if (more == 0 || have < SURELY_WHOLE) break;
  }
  return 0;
}

static int ascending(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return left < right ? -1 : left > right;
}

int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "usage: floor INTERVAL_NS COUNT [FILE[@CADENCE] ...]\n");
    return 2;
  }
  uint64_t interval = strtoull(argv[1], NULL, 10);
  uint64_t count = strtoull(argv[2], NULL, 10);
  int files[MAX_FILES];
  uint64_t cadences[MAX_FILES];
  // Room for four times the first reading: /proc/sys allocates as much as it is asked for.
  size_t rooms[MAX_FILES];
  int used = 0;
  if (argc - 3 > MAX_FILES) {
    fprintf(stderr, "floor: more than %d files\n", MAX_FILES);
    return 2;
  }
  for (int index = 3; index < argc; index++) {
    char *at = strrchr(argv[index], '@');
    cadences[used] = at ? strtoull(at + 1, NULL, 10) : 1;
    if (cadences[used] == 0) cadences[used] = 1;
    if (at) *at = 0;
    files[used] = open(argv[index], O_RDONLY | O_CLOEXEC);
    if (files[used] < 0) {
      perror(argv[index]);
      return 1;
    }
    size_t length = 0;
    for (ssize_t more; (more = pread(files[used], buffer, sizeof buffer, (off_t)length)) > 0;)
      length += (size_t)more;
    rooms[used] = length * 4 > 4096 ? length * 4 : 4096;
    if (rooms[used] > sizeof buffer) rooms[used] = sizeof buffer;
    used++;
  }
  // Nanoseconds of each round, or of its beginning behind its deadline; its pages are there beforehand.
  uint64_t *rounds = malloc((count + 1) * sizeof *rounds);
  memset(rounds, 0, (count + 1) * sizeof *rounds);
  uint64_t taken = 0;
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  uint64_t base = now_ns();
  uint64_t before = cpu_ns();
  uint64_t late = 0, skipped = 0;
  for (uint64_t k = 1; k <= count; k++) {
    uint64_t deadline = base + k * interval;
    struct timespec until = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    if (interval > 0)
      while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR) {
      }
    uint64_t now = now_ns();
    if (interval > 0 && now - deadline >= interval) {
      uint64_t latest = (now - base) / interval;
      if (latest > count) latest = count;
      skipped += latest - k;
      k = latest;
      deadline = base + k * interval;
    }
    if (interval > 0) {
      rounds[++taken] = now - deadline;
      if ((now - deadline) * 2 > interval) late++;
    }
    for (int index = 0; index < used; index++)
      if (k % cadences[index] == 0 && read_whole(files[index], rooms[index]) < 0) {
        perror("pread");
        return 1;
      }
    if (interval == 0) rounds[++taken] = now_ns() - now;
  }
  uint64_t cpu = cpu_ns() - before;
  qsort(rounds + 1, taken, sizeof *rounds, ascending);
  uint64_t median = rounds[(1 + taken) / 2], high = rounds[(taken * 99 + 99) / 100];
  if (interval == 0) {
    printf("%llu\n", (unsigned long long)median);
    return 0;
  }
  printf("%llu deadlines, %llu late, %llu skipped, %llu ns, late by %llu and %llu ns\n",
         (unsigned long long)count, (unsigned long long)late, (unsigned long long)skipped,
         (unsigned long long)cpu, (unsigned long long)median, (unsigned long long)high);
  return 0;
}
