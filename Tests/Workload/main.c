// Workloads of known behaviour for the tests: what a shell or coreutils cannot promise.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// COUNT children one after the other, each with MILLISECONDS of CPU time.
static int forks(int count, double milliseconds) {
  for (int index = 0; index < count; index++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
      while (cpu_seconds() < milliseconds * 1e-3) continue;
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
  return 0;
}

// COUNT children, each of which writes 100 bytes three times and has such a child itself, DEPTH
// deep; they stay zombies for MILLISECONDS or more before they are reaped. Not through exit(3): a
// build that counts the lines it reaches would write.
static int zombies(int count, int milliseconds, int depth) {
  char bytes[100] = {0};
  int null = open("/dev/null", O_WRONLY);
  for (int index = 0; index < count; index++) {
    pid_t child = fork();
    if (child < 0) return 1;
    if (child != 0) continue;
    for (int call = 0; call < 3; call++)
      if (write(null, bytes, sizeof bytes) < 0) _exit(1);
    _exit(depth > 1 ? zombies(1, milliseconds, depth - 1) : 0);
  }
  usleep((useconds_t)(milliseconds * depth * 1000));
  while (wait(NULL) > 0) continue;
  _exit(0);
}

// COUNT calls of getppid(2).
static int calls(long count) {
  for (long index = 0; index < count; index++) syscall(SYS_getppid);
  return 0;
}

static void *calls_after_a_while(void *number) {
  usleep(200000);
  calls((long)number * 1000);
  usleep(200000);
  return NULL;
}

// COUNT threads of which the first makes 1,000 calls of getppid(2), the second 2,000 and so on,
// between two pauses of a fifth of a second.
static int threads(long count) {
  pthread_t made[64];
  if (count > 64) return 1;
  for (long index = 0; index < count; index++)
    if (pthread_create(&made[index], NULL, calls_after_a_while, (void *)(index + 1)) != 0) return 1;
  for (long index = 0; index < count; index++) pthread_join(made[index], NULL);
  return 0;
}

// COUNT pairs of children of which the second has the first one's pid (/proc/sys/kernel/ns_last_pid;
// needs CAP_SYS_ADMIN). Prints how many children there were and in how many pairs that was so.
static int reuse(int count) {
  int children = 0, reused = 0;
  for (int index = 0; index < count; index++) {
    pid_t first = fork();
    if (first < 0) return 1;
    if (first == 0) _exit(0);
    waitpid(first, NULL, 0);
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
    if (!last) {
      perror("ns_last_pid");
      return 1;
    }
    fprintf(last, "%d", first - 1);
    fclose(last);
    pid_t second = fork();
    if (second < 0) return 1;
    if (second == 0) _exit(0);
    waitpid(second, NULL, 0);
    children += 2;
    if (second == first) reused++;
  }
  printf("children %d reused %d\n", children, reused);
  return 0;
}

// A chain of DEPTH processes, each of which makes CALLS writes of BYTES, with a pause of a fiftieth
// of a second before and behind them. Each forks the next one and, by MODE, waits for it (`wait`),
// ignores SIGCHLD until it is gone (`ignore`), or ends before it, but for the first one, which lasts
// until all have ended (`orphan`).
static int chain(int depth, long calls, size_t bytes, char mode, int ends) {
  static char zeros[65536];
  if (depth > 1) {
    if (mode == 'i') signal(SIGCHLD, SIG_IGN);
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) _exit(chain(depth - 1, calls, bytes, mode, -1));
    if (mode != 'o') waitpid(child, NULL, 0);
  }
  int null = open("/dev/null", O_WRONLY);
  usleep(20000);
  for (long index = 0; index < calls; index++)
    if (write(null, zeros, bytes) != (ssize_t)bytes) return 1;
  usleep(20000);
  if (ends >= 0) {
    char byte;
    while (read(ends, &byte, 1) > 0) continue;
    usleep(20000);
  }
  return 0;
}

static int chain_with_root(int depth, long calls, size_t bytes, char mode) {
  int ends[2];
  if (mode != 'o') return chain(depth, calls, bytes, mode, -1);
  if (bytes > 65536 || pipe(ends) != 0) return 1;
  pid_t child = fork();
  if (child < 0) return 1;
  if (child == 0) _exit(chain(depth - 1, calls, bytes, mode, -1));
  close(ends[1]);
  return chain(1, calls, bytes, mode, ends[0]);
}

// MEBIBYTES of memory bound to NODE (mbind with MPOL_BIND), touched, and kept for SECONDS.
static int bind_memory(int node, size_t mebibytes, double seconds) {
  size_t bytes = mebibytes << 20;
  char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned long mask = 1ul << node;
  if (memory == MAP_FAILED) return 1;
  if (syscall(SYS_mbind, memory, bytes, 2, &mask, sizeof mask * 8, 0) < 0) {
    perror("mbind");
    return 1;
  }
  memset(memory, 1, bytes);
  puts("bound");
  fflush(stdout);
  usleep((useconds_t)(seconds * 1e6));
  return 0;
}

int main(int count, char **words) {
  if (count == 4 && strcmp(words[1], "forks") == 0) return forks(atoi(words[2]), atof(words[3]));
  if (count == 5 && strcmp(words[1], "zombies") == 0)
    return zombies(atoi(words[2]), atoi(words[3]), atoi(words[4]));
  if (count == 3 && strcmp(words[1], "calls") == 0) return calls(atol(words[2]));
  if (count == 3 && strcmp(words[1], "threads") == 0) return threads(atol(words[2]));
  if (count == 3 && strcmp(words[1], "reuse") == 0) return reuse(atoi(words[2]));
  if (count == 5 && strcmp(words[1], "bind") == 0)
    return bind_memory(atoi(words[2]), (size_t)atol(words[3]), atof(words[4]));
  // A build that counts the lines it reaches would write its count at exit(3), as one call more.
  if (count == 6 && strcmp(words[1], "chain") == 0)
    _exit(chain_with_root(atoi(words[2]), atol(words[3]), (size_t)atol(words[4]), words[5][0]));
  fprintf(stderr, "usage: workload forks COUNT MILLISECONDS | reuse COUNT | calls COUNT |"
                  " threads COUNT | bind NODE MEBIBYTES SECONDS |"
                  " chain DEPTH CALLS BYTES wait|ignore|orphan\n");
  return 2;
}
