#define _GNU_SOURCE
#include "CLinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <link.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static int argument_count;
static char **argument_list;

// glibc passes the arguments of main to every constructor (elf/dl-init.c). The Swift runtime reads
// them from /proc, which may be missing.
__attribute__((constructor)) static void keep_arguments(int count, char **list, char **environment) {
  (void)environment;
  argument_count = count;
  argument_list = list;
}

int lb_argument_count(void) { return argument_count; }

const char *lb_argument(int index) { return argument_list[index]; }

const char *lb_environment(int index) { return environ ? environ[index] : NULL; }

int lb_hold_standard_descriptors(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is this one. Read-only: writing to it is an error.
    if (open("/dev/null", O_RDONLY) < 0) return errno;
  }
  return 0;
}

int lb_raise_thread_stacks(size_t bytes) {
  pthread_attr_t attributes;
  int result = pthread_getattr_default_np(&attributes);
  if (result != 0) return result;
  size_t present = 0;
  pthread_attr_getstacksize(&attributes, &present);
  if (present < bytes) {
    pthread_attr_setstacksize(&attributes, bytes);
    result = pthread_setattr_default_np(&attributes);
  }
  pthread_attr_destroy(&attributes);
  return result;
}

int lb_call_on_stack(size_t bytes, void (*body)(void)) {
  size_t page = (size_t)getpagesize();
  char *stack = mmap(NULL, page + bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (stack == MAP_FAILED) return errno;
  ucontext_t here, there;
  if (mprotect(stack, page, PROT_NONE) < 0 || getcontext(&there) < 0) return errno;
  there.uc_stack.ss_sp = stack + page;
  there.uc_stack.ss_size = bytes;
  there.uc_link = &here;
  makecontext(&there, body, 0);
  if (swapcontext(&here, &there) < 0) return errno;
  munmap(stack, page + bytes);
  return 0;
}

#if !defined(__x86_64__) && !defined(__aarch64__)
long lb_syscall6(long number, long a, long b, long c, long d, long e, long f) {
  long result = syscall(number, a, b, c, d, e, f);
  return result < 0 ? -errno : result;
}
#endif

void lb_futex_wake_all(const uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 0x7fffffff, NULL, NULL, 0);
}

#if !defined(__LP64__)
long lb_pread(int fd, void *buffer, size_t count, int64_t offset) {
  ssize_t result = pread(fd, buffer, count, (off_t)offset);
  return result < 0 ? -errno : result;
}
#endif

int lb_is_on_proc(int fd) {
  struct statfs facts;
  return fstatfs(fd, &facts) == 0 && facts.f_type == PROC_SUPER_MAGIC;
}

int lb_is_kernel_text(int fd) {
  struct statfs facts;
  if (fstatfs(fd, &facts) != 0) return 0;
  switch ((unsigned long)facts.f_type) {
  case PROC_SUPER_MAGIC:
  case SYSFS_MAGIC:
  case CGROUP_SUPER_MAGIC:
  case CGROUP2_SUPER_MAGIC:
  case DEBUGFS_MAGIC:
  case TRACEFS_MAGIC:
    return 1;
  default:
    return 0;
  }
}

int lb_identity(int fd, uint64_t *device, uint64_t *inode) {
  struct stat facts;
  if (fstat(fd, &facts) != 0) return -errno;
  *device = facts.st_dev;
  *inode = facts.st_ino;
  return 0;
}

int lb_names(const char *path, uint64_t device, uint64_t inode) {
  struct stat facts;
  if (stat(path, &facts) != 0) return -errno;
  return facts.st_dev == device && facts.st_ino == inode ? 0 : -ENOENT;
}

int lb_open_text(const char *path) {
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct stat facts;
  if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode)) return fd;
  close(fd);
  return -EINVAL;
}

static int lb_release_segments(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size;
  (void)unused;
  uintptr_t page = (uintptr_t)getpagesize();
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = (object->dlpi_addr + segment->p_vaddr) & ~(page - 1);
    uintptr_t end = object->dlpi_addr + segment->p_vaddr + segment->p_memsz;
    madvise((void *)start, end - start, MADV_DONTNEED);
  }
  // The program is the first object; its libraries are not changed.
  return 1;
}

void lb_release_program(void) { dl_iterate_phdr(lb_release_segments, NULL); }

int lb_set_affinity(const uint64_t *mask, size_t bytes) {
  return syscall(SYS_sched_setaffinity, 0, bytes, mask) < 0 ? -errno : 0;
}

int lb_get_affinity(uint64_t *mask, size_t bytes) {
  long written = syscall(SYS_sched_getaffinity, 0, bytes, mask);
  return written < 0 ? -errno : (int)written;
}

int lb_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }

int lb_keep_capabilities(uint64_t mask) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) < 0) return errno;
  for (int half = 0; half < 2; half++) {
    uint32_t kept = (uint32_t)(mask >> (32 * half));
    data[half].effective &= kept;
    data[half].permitted &= kept;
    data[half].inheritable &= kept;
  }
  return syscall(SYS_capset, &header, data) < 0 ? errno : 0;
}

uint64_t lb_memory_lock_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

int lb_memory_file(int64_t bytes) {
  int fd = memfd_create("lbsample", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  if (ftruncate(fd, bytes) == 0) return fd;
  int failure = errno;
  close(fd);
  return -failure;
}

int lb_mirror(void *memory, size_t bytes, void *place) {
  // An old length of 0 keeps a shared mapping, and maps its pages once more (mremap(2)).
  void *mirror = mremap(memory, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place);
  return mirror == MAP_FAILED ? errno : 0;
}

int lb_eventfd(void) {
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int lb_signalfd(const int *signals, size_t count) {
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < count; index++) {
    // A blocked signal is queued even if it is ignored: nohup's SIGHUP would be delivered.
    struct sigaction present;
    if (sigaction(signals[index], NULL, &present) == 0 && present.sa_handler == SIG_IGN) continue;
    sigaddset(&set, signals[index]);
  }
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return fd < 0 ? -errno : fd;
}

int lb_read_signal(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

int lb_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0; }

int lb_poll_until(struct pollfd *entries, size_t count, uint64_t deadline_ns) {
  for (;;) {
    struct timespec left = {0, 0};
    if (deadline_ns != UINT64_MAX) {
      struct timespec now;
      clock_gettime(CLOCK_MONOTONIC, &now);
      uint64_t now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
      uint64_t wait = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
      left.tv_sec = (time_t)(wait / 1000000000u);
      left.tv_nsec = (long)(wait % 1000000000u);
    }
    int ready = ppoll(entries, count, deadline_ns == UINT64_MAX ? NULL : &left, NULL);
    if (ready >= 0) return ready;
    if (errno != EINTR) return -errno;
  }
}

int lb_set_timer_slack(uint64_t ns) {
  return prctl(PR_SET_TIMERSLACK, (unsigned long)ns, 0, 0, 0) < 0 ? -errno : 0;
}

int lb_set_child_subreaper(int on) {
  return prctl(PR_SET_CHILD_SUBREAPER, (unsigned long)on, 0, 0, 0) < 0 ? -errno : 0;
}

int lb_pidfd_open(int pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  return fd < 0 ? -errno : (int)fd;
}

int lb_is_deserted(int fifo) {
  struct statfs system;
  // An unnamed pipe can be opened without a writer, at its end.
  if (fstatfs(fifo, &system) == 0 && system.f_type == PIPEFS_MAGIC) return 0;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
  // Consumes nothing, and distinguishes the end (0) from a pause (EAGAIN), which poll(2) does not.
  ssize_t count = tee(fifo, ends[1], 1, SPLICE_F_NONBLOCK);
  close(ends[0]);
  close(ends[1]);
  return count == 0;
}

int lb_terminal_size(int fd, uint16_t *columns, uint16_t *rows) {
  struct winsize size;
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return -errno;
  *columns = size.ws_col;
  *rows = size.ws_row;
  return 0;
}

int lb_perf_task_clock(int pid) {
  struct perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_TASK_CLOCK;
  attr.disabled = 1;
  attr.inherit = 1;
  attr.enable_on_exec = 1;
  long fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
  if (fd < 0 && errno == EACCES) {
    // perf_event_paranoid 2; the task clock includes kernel time nevertheless.
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
  }
  return fd < 0 ? -errno : (int)fd;
}

int lb_perf_open(const struct lb_perf_event *event, int pid, int cpu, int group) {
  struct perf_event_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.type = event->type;
  attr.config = event->config;
  attr.config1 = event->config1;
  attr.config2 = event->config2;
  attr.bp_type = event->bp_type;
  attr.precise_ip = event->precise_ip & 3;
  attr.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  attr.exclude_user = !!(event->flags & LB_PERF_EXCLUDE_USER);
  attr.exclude_kernel = !!(event->flags & LB_PERF_EXCLUDE_KERNEL);
  attr.exclude_hv = !!(event->flags & LB_PERF_EXCLUDE_HV);
  attr.exclude_host = !!(event->flags & LB_PERF_EXCLUDE_HOST);
  attr.exclude_guest = !!(event->flags & LB_PERF_EXCLUDE_GUEST);
  attr.exclude_idle = !!(event->flags & LB_PERF_EXCLUDE_IDLE);
  attr.pinned = !!(event->flags & LB_PERF_PINNED);
  attr.disabled = !!(event->flags & LB_PERF_DISABLED);
  attr.inherit = !!(event->flags & LB_PERF_INHERIT);
  attr.enable_on_exec = !!(event->flags & LB_PERF_ENABLE_ON_EXEC);
  unsigned long flags = PERF_FLAG_FD_CLOEXEC;
  if (event->flags & LB_PERF_OF_CGROUP) flags |= PERF_FLAG_PID_CGROUP;
#ifdef PERF_ATTR_SIZE_VER8
  attr.config3 = event->config3;
#else
  if (event->config3 != 0) return -E2BIG;
#endif
  long fd = syscall(SYS_perf_event_open, &attr, pid, cpu, group, flags);
  return fd < 0 ? -errno : (int)fd;
}

void *lb_perf_map(int fd) {
  void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? NULL : page;
}

void lb_perf_unmap(void *page) { munmap(page, (size_t)sysconf(_SC_PAGESIZE)); }

uint64_t lb_read_counter(uint32_t index) {
#if defined(__x86_64__)
  uint32_t low, high;
  __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(index));
  return (uint64_t)high << 32 | low;
#else
  (void)index;
  return 0;
#endif
}

uint64_t lb_read_cycles(void) {
#if defined(__x86_64__)
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t)high << 32 | low;
#else
  return 0;
#endif
}

int lb_current_cpu(void) { return sched_getcpu(); }

int lb_perf_enable_group(int fd) {
  return ioctl(fd, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP) < 0 ? -errno : 0;
}

int lb_netlink_open(int protocol, uint32_t groups, int receive_bytes) {
  int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) return -errno;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

long lb_netlink_receive(int fd, void *buffer, size_t bytes) {
  struct sockaddr_nl from = {0};
  socklen_t length = sizeof from;
  ssize_t count;
  do {
    count = recvfrom(fd, buffer, bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return -errno;
  return from.nl_pid == 0 ? count : 0;
}

int lb_read_timex(int64_t fields[LB_TIMEX_FIELDS]) {
  struct timex time;
  memset(&time, 0, sizeof time);
  int state = adjtimex(&time);
  if (state < 0) return -errno;
  // Offset and jitter are in ns or µs, by a status bit; returned in ns.
  int64_t unit = time.status & STA_NANO ? 1 : 1000;
  int64_t all[LB_TIMEX_FIELDS] = {
      time.offset * unit, time.freq,   time.maxerror, time.esterror, time.status, time.constant,
      time.tick,          time.ppsfreq, time.jitter * unit, time.shift, time.stabil, time.jitcnt,
      time.calcnt,        time.errcnt, time.stbcnt,   time.tai};
  memcpy(fields, all, sizeof all);
  return state;
}

int lb_read_statfs(const char *path, uint64_t fields[7]) {
  struct statvfs status;
  if (statvfs(path, &status) < 0) return -errno;
  uint64_t all[7] = {status.f_frsize, status.f_blocks, status.f_bfree, status.f_bavail,
                     status.f_files,  status.f_ffree,  (status.f_flag & ST_RDONLY) != 0};
  memcpy(fields, all, sizeof all);
  return 0;
}

int lb_device_of(const char *path, uint64_t *device) {
  struct stat status;
  if (stat(path, &status) < 0) return -errno;
  *device = status.st_dev;
  return 0;
}

int lb_has_changed(int fd) {
  struct pollfd entry = {.fd = fd, .events = POLLPRI};
  return poll(&entry, 1, 0) > 0;
}

const int lb_open_path = O_PATH;

long lb_read_directory(int fd, void *buffer, size_t bytes) {
  long count = syscall(SYS_getdents64, fd, buffer, bytes);
  return count < 0 ? -errno : count;
}

static struct rlimit descriptor_limit;
static int descriptor_limit_raised;

uint64_t lb_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return 0;
  if (!descriptor_limit_raised) {
    descriptor_limit = limit;
    descriptor_limit_raised = 1;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return (uint64_t)limit.rlim_cur;
}

int lb_effective_capabilities(uint64_t *mask) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  memset(data, 0, sizeof data);
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  *mask = (uint64_t)data[0].effective | ((uint64_t)data[1].effective << 32);
  return 0;
}

int lb_drop_inheritable_capabilities(void) {
  // The ambient set is never larger than the inheritable one, so emptying this empties both.
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  memset(data, 0, sizeof data);
  if (syscall(SYS_capget, &header, data) < 0) return -errno;
  data[0].inheritable = 0;
  data[1].inheritable = 0;
  return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int lb_peek_exit(int pid, int *code, int *signal) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  int result;
  do {
    result = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
  } while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (info.si_pid == 0) return 0;
  *code = info.si_code == CLD_EXITED ? info.si_status : 0;
  *signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
  return 1;
}

static void report(int fd, int step, int error) {
  struct rusage usage;
  memset(&usage, 0, sizeof usage);
  getrusage(RUSAGE_SELF, &usage);
  struct lb_spawn_report message = {
      .step = step,
      .error = error,
      .user_us = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
      .system_us = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec,
      .peak_resident_kib = usage.ru_maxrss,
      .voluntary_switches = usage.ru_nvcsw,
      .involuntary_switches = usage.ru_nivcsw,
  };
  ssize_t written;
  do {
    written = write(fd, &message, sizeof message);
  } while (written < 0 && errno == EINTR);
}

static void fail(int fd, int step) {
  report(fd, step, errno);
  _exit(127);
}

// Closes descriptors with FD_CLOEXEC, except two. The kernel would do so only at the exec: until
// then a child at its gate would keep locks and pipes of its parent.
void lb_close_private(int keep, int keep_too) {
  int folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) {
    for (int fd = 3; fd < 1024; fd++) {
      int flags = fd == keep || fd == keep_too ? 0 : fcntl(fd, F_GETFD);
      if (flags > 0 && (flags & FD_CLOEXEC)) close(fd);
    }
    return;
  }
  _Alignas(8) char buffer[2048];
  long count;
  while ((count = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < count;) {
      unsigned short length;
      memcpy(&length, buffer + at + 16, sizeof length);
      int fd = 0;
      const char *name = buffer + at + 19;
      while (*name >= '0' && *name <= '9') fd = fd * 10 + (*name++ - '0');
      at += length;
      if (*name != 0 || fd < 3 || fd == keep || fd == keep_too || fd == folder) continue;
      int flags = fcntl(fd, F_GETFD);
      if (flags > 0 && (flags & FD_CLOEXEC)) close(fd);
    }
  }
  close(folder);
}

static void child(const struct lb_spawn *plan) {
  if (plan->gate_write_fd >= 0) close(plan->gate_write_fd);
  if (plan->status_read_fd >= 0) close(plan->status_read_fd);
  if (setpgid(0, 0) < 0) fail(plan->status_fd, LB_SPAWN_SETPGID);
  if (plan->foreground_fd >= 0) {
    // SIGTTOU is still blocked here, as the parent blocked every signal around the fork.
    if (tcsetpgrp(plan->foreground_fd, getpid()) < 0) fail(plan->status_fd, LB_SPAWN_FOREGROUND);
  }
  struct sigaction standard;
  memset(&standard, 0, sizeof standard);
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++) sigaction(number, &standard, NULL);
  if (plan->cpu_mask != NULL && lb_set_affinity(plan->cpu_mask, plan->cpu_mask_bytes) < 0)
    fail(plan->status_fd, LB_SPAWN_AFFINITY);
  prctl(PR_SET_TIMERSLACK, 0, 0, 0, 0);
  if (descriptor_limit_raised) setrlimit(RLIMIT_NOFILE, &descriptor_limit);
  if (plan->mark != 0) {
    // If a hard limit is below it, the child has no mark, and cannot be found by it.
    struct rlimit locks;
    if (getrlimit(RLIMIT_LOCKS, &locks) == 0) {
      locks.rlim_cur = (rlim_t)plan->mark;
      setrlimit(RLIMIT_LOCKS, &locks);
    }
  }
  if (dup2(plan->input_fd, 0) < 0 || dup2(plan->output_fd, 1) < 0 || dup2(plan->error_fd, 2) < 0)
    fail(plan->status_fd, LB_SPAWN_REDIRECT);
  if (lb_drop_inheritable_capabilities() < 0) fail(plan->status_fd, LB_SPAWN_CAPABILITIES);
  if (plan->change_user) {
    if (setgroups(plan->group_count, plan->groups) < 0 || setgid(plan->gid) < 0 ||
        setuid(plan->uid) < 0)
      fail(plan->status_fd, LB_SPAWN_USER);
  }
  if (plan->directory != NULL && chdir(plan->directory) < 0)
    fail(plan->status_fd, LB_SPAWN_DIRECTORY);
  // The child gets SIGTERM if its recorder dies; set last, since a change of user clears it.
  prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  lb_close_private(plan->gate_fd, plan->status_fd);
  report(plan->status_fd, LB_SPAWN_READY, 0);
  char gate;
  ssize_t count;
  // Not read(2), which would count as the workload's I/O (/proc/PID/io).
  do {
    count = recv(plan->gate_fd, &gate, 1, 0);
  } while (count < 0 && errno == EINTR);
  if (count != 1) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  execve(plan->path, plan->argv, plan->envp);
  fail(plan->status_fd, LB_SPAWN_EXEC);
}

pid_t lb_foreground_group(int fd) {
  pid_t group = tcgetpgrp(fd);
  return group < 0 ? -errno : group;
}

int lb_set_foreground_group(int fd, pid_t group) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  int result = tcsetpgrp(fd, group) < 0 ? -errno : 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

int lb_set_terminal_modes(int fd, const struct termios *modes) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  int result = tcsetattr(fd, TCSANOW, modes) < 0 ? -errno : 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

// MARK: The guarded terminal

static struct {
  int fd;
  struct termios modes;
  char bytes[128];
  size_t count;
  // 1: to be restored.
  int is_guarded;
} guarded;

enum { LAST_SIGNAL = 64 };
static struct sigaction unguarded[LAST_SIGNAL + 1];

// Whether a signal is about a fault of the program: others may have handlers for it (backtraces).
static int is_fault(int number) {
  switch (number) {
    case SIGSEGV: case SIGBUS: case SIGILL: case SIGABRT: case SIGFPE: case SIGTRAP: return 1;
    default: return 0;
  }
}

// Whether the default action of a signal leaves the process alive, or cannot be preceded.
static int ends_nothing(int number) {
  switch (number) {
    case SIGKILL: case SIGSTOP: case SIGCONT: case SIGCHLD: case SIGURG: case SIGWINCH:
    case SIGTSTP: case SIGTTIN: case SIGTTOU: return 1;
    default: return 0;
  }
}

void lb_restore_terminal(void) {
  int was_guarded = 1;
  if (!__atomic_compare_exchange_n(&guarded.is_guarded, &was_guarded, 0, 0, __ATOMIC_ACQ_REL,
                                   __ATOMIC_ACQUIRE))
    return;
  int saved = errno;
  // A terminal that takes nothing is not waited for: the descriptor does not block.
  ssize_t written = write(guarded.fd, guarded.bytes, guarded.count);
  (void)written;
  (void)lb_set_terminal_modes(guarded.fd, &guarded.modes);
  errno = saved;
}

static void on_fatal_signal(int number) {
  lb_restore_terminal();
  // As it would have ended.
  (void)sigaction(number, &unguarded[number], NULL);
  (void)raise(number);
}

void lb_guard_terminal(int fd, const struct termios *modes, const char *bytes, size_t count) {
  static int is_prepared;
  guarded.fd = fd;
  guarded.modes = *modes;
  guarded.count = count < sizeof guarded.bytes ? count : sizeof guarded.bytes;
  memcpy(guarded.bytes, bytes, guarded.count);
  __atomic_store_n(&guarded.is_guarded, 1, __ATOMIC_RELEASE);
  if (is_prepared) return;
  is_prepared = 1;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_fatal_signal;
  action.sa_flags = SA_NODEFER | SA_ONSTACK;
  for (int number = 1; number <= LAST_SIGNAL; number++) {
    // The C library keeps two of them for itself.
    if (ends_nothing(number) || sigaction(number, NULL, &unguarded[number]) != 0) continue;
    if (is_fault(number) || unguarded[number].sa_handler == SIG_DFL)
      (void)sigaction(number, &action, NULL);
  }
  (void)atexit(lb_restore_terminal);
}

pid_t lb_spawn_gated(const struct lb_spawn *plan) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t pid = fork();
  if (pid == 0) child(plan);
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pid < 0 ? -error : pid;
}

// MARK: The starter

enum { STARTER_DESCRIPTORS = 7 };

// A request to a starter, with descriptors. The rest follows: room for the pointers of argv and
// envp, the mask, the groups, then the strings.
struct starter_request {
  uint64_t bytes;
  uint32_t arguments, variables;
  uint32_t mask_bytes, has_mask;
  uint32_t groups, change_user;
  uint32_t uid, gid;
  uint32_t has_directory, has_foreground;
  uint64_t mark;
};

static size_t aligned(size_t bytes) { return (bytes + 7) & ~(size_t)7; }

static int transfer(int fd, char *bytes, size_t count, int sending) {
  while (count > 0) {
    ssize_t done = sending ? send(fd, bytes, count, MSG_NOSIGNAL) : recv(fd, bytes, count, 0);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    bytes += done;
    count -= (size_t)done;
  }
  return 0;
}

// The plan of a request and the data after it.
static struct lb_spawn read_plan(const struct starter_request *request, char *body,
                                 const int *descriptors) {
  char **argv = (char **)body;
  char **envp = argv + request->arguments + 1;
  char *at = (char *)(envp + request->variables + 1);
  struct lb_spawn plan;
  memset(&plan, 0, sizeof plan);
  plan.cpu_mask = request->has_mask ? (const uint64_t *)at : NULL;
  plan.cpu_mask_bytes = request->mask_bytes;
  at += aligned(request->mask_bytes);
  plan.groups = (const gid_t *)at;
  plan.group_count = request->groups;
  at += aligned(request->groups * sizeof(gid_t));
  plan.path = at;
  at += strlen(at) + 1;
  if (request->has_directory) {
    plan.directory = at;
    at += strlen(at) + 1;
  }
  for (uint32_t index = 0; index < request->arguments; index++) {
    argv[index] = at;
    at += strlen(at) + 1;
  }
  argv[request->arguments] = NULL;
  for (uint32_t index = 0; index < request->variables; index++) {
    envp[index] = at;
    at += strlen(at) + 1;
  }
  envp[request->variables] = NULL;
  plan.argv = argv;
  plan.envp = envp;
  plan.change_user = (int)request->change_user;
  plan.uid = request->uid;
  plan.gid = request->gid;
  plan.input_fd = descriptors[0];
  plan.output_fd = descriptors[1];
  plan.error_fd = descriptors[2];
  plan.gate_fd = descriptors[3];
  plan.status_fd = descriptors[4];
  plan.gate_write_fd = -1;
  plan.status_read_fd = -1;
  plan.foreground_fd = request->has_foreground ? descriptors[6] : -1;
  plan.mark = request->mark;
  return plan;
}

// Receives one request, clones a child, and answers with its pid or -errno; returns -1 when the
// socket is closed.
static int serve_one(int fd) {
  struct starter_request request;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(STARTER_DESCRIPTORS * sizeof(int))];
  } control;
  struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t count;
  do {
    count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL);
  } while (count < 0 && errno == EINTR);
  struct cmsghdr *first = CMSG_FIRSTHDR(&message);
  if (count != sizeof request || first == NULL || first->cmsg_type != SCM_RIGHTS) return -1;
  int descriptors[STARTER_DESCRIPTORS];
  size_t received = (first->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  size_t expected = request.has_foreground ? STARTER_DESCRIPTORS : STARTER_DESCRIPTORS - 1;
  memcpy(descriptors, CMSG_DATA(first), received * sizeof(int));
  int32_t answer = -EMFILE;
  char *body =
      mmap(NULL, request.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (body == MAP_FAILED || transfer(fd, body, request.bytes, 0) < 0) return -1;
  if (received == expected) {
    struct lb_spawn plan = read_plan(&request, body, descriptors);
    // Like fork(2), but the child belongs to this process's parent, and the C library is not
    // involved.
    answer = (int32_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (answer == 0) {
      // The parent's present directory.
      if (fchdir(descriptors[5]) < 0) fail(plan.status_fd, LB_SPAWN_DIRECTORY);
      child(&plan);
    }
    if (answer < 0) answer = -errno;
  }
  for (size_t index = 0; index < received; index++) close(descriptors[index]);
  munmap(body, request.bytes);
  return transfer(fd, (char *)&answer, sizeof answer, 1);
}

enum { STARTER_SEGMENTS = 64 };

struct segments {
  struct {
    uintptr_t start, end;
  } all[STARTER_SEGMENTS];
  int count;
};

// Records the writable mappings of a linked object's file.
static int note_segments(struct dl_phdr_info *object, size_t size, void *context) {
  (void)size;
  struct segments *found = context;
  uintptr_t page = (uintptr_t)getpagesize();
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
    if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_W)) continue;
    if (found->count == STARTER_SEGMENTS) return 1;
    uintptr_t start = object->dlpi_addr + segment->p_vaddr;
    found->all[found->count].start = start & ~(page - 1);
    found->all[found->count].end = (start + segment->p_filesz) & ~(page - 1);
    found->count++;
  }
  return 0;
}

// Drops pages that were only read: a fork copies those of a writable mapping, and they would count
// in each child's peak of memory.
static void drop_clean_pages(const struct segments *segments) {
  int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  if (map < 0) return;
  uintptr_t page = (uintptr_t)getpagesize();
  for (int index = 0; index < segments->count; index++) {
    uintptr_t at = segments->all[index].start, end = segments->all[index].end;
    while (at < end) {
      uint64_t entries[256];
      ssize_t bytes = pread(map, entries, sizeof entries, (off_t)(at / page * sizeof entries[0]));
      if (bytes < (ssize_t)sizeof entries[0]) break;
      for (size_t entry = 0; entry < (size_t)bytes / sizeof entries[0] && at < end; entry++) {
        // Present, and not modified: reading them again gives the same.
        if ((entries[entry] >> 63 & 1) && (entries[entry] >> 61 & 1))
          madvise((void *)at, page, MADV_DONTNEED);
        at += page;
      }
    }
  }
  close(map);
}

static void serve(int fd, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) _exit(0);
  prctl(PR_SET_NAME, "lbsample-start", 0, 0, 0);
  if (fd < 3) fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard = 0; null >= 0 && standard < 3; standard++)
    if (standard != null) dup2(null, standard);
  if (null >= 3) close(null);
  lb_close_private(fd, -1);
  while (serve_one(fd) == 0) {
  }
  _exit(0);
}

pid_t lb_starter_fork(int *fd) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) return -errno;
  struct segments segments;
  segments.count = 0;
  dl_iterate_phdr(note_segments, &segments);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid();
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    drop_clean_pages(&segments);
    // Every signal stays blocked: those of the terminal are for the workload and the parent.
    serve(ends[1], parent);
  }
  int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(ends[1]);
  *fd = ends[0];
  if (pid > 0) return pid;
  close(ends[0]);
  return -error;
}

static char *append(char *at, const char *text) {
  size_t length = strlen(text) + 1;
  memcpy(at, text, length);
  return at + length;
}

int lb_starter_spawn(int fd, const struct lb_spawn *plan, pid_t *child) {
  struct starter_request request;
  memset(&request, 0, sizeof request);
  size_t strings = strlen(plan->path) + 1;
  if (plan->directory != NULL) strings += strlen(plan->directory) + 1;
  for (char *const *one = plan->argv; *one != NULL; one++, request.arguments++)
    strings += strlen(*one) + 1;
  for (char *const *one = plan->envp; *one != NULL; one++, request.variables++)
    strings += strlen(*one) + 1;
  size_t mask = plan->cpu_mask != NULL ? plan->cpu_mask_bytes : 0;
  size_t groups = plan->change_user ? plan->group_count * sizeof(gid_t) : 0;
  size_t pointers = ((size_t)request.arguments + request.variables + 2) * sizeof(char *);
  request.bytes = pointers + aligned(mask) + aligned(groups) + strings;
  request.mask_bytes = (uint32_t)mask;
  request.has_mask = plan->cpu_mask != NULL;
  request.groups = (uint32_t)(groups / sizeof(gid_t));
  request.change_user = plan->change_user != 0;
  request.uid = plan->uid;
  request.gid = plan->gid;
  request.has_directory = plan->directory != NULL;
  request.has_foreground = plan->foreground_fd >= 0;
  request.mark = plan->mark;
  char *body = calloc(1, request.bytes);
  if (body == NULL) return -ENOMEM;
  char *at = body + pointers;
  if (mask > 0) memcpy(at, plan->cpu_mask, mask);
  at += aligned(mask);
  if (groups > 0) memcpy(at, plan->groups, groups);
  at = append(at + aligned(groups), plan->path);
  if (plan->directory != NULL) at = append(at, plan->directory);
  for (char *const *one = plan->argv; *one != NULL; one++) at = append(at, *one);
  for (char *const *one = plan->envp; *one != NULL; one++) at = append(at, *one);

  int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  int failure = here < 0 ? -errno : 0;
  if (failure == 0) {
    int descriptors[STARTER_DESCRIPTORS] = {plan->input_fd, plan->output_fd, plan->error_fd,
                                            plan->gate_fd,  plan->status_fd, here,
                                            plan->foreground_fd};
    size_t count = request.has_foreground ? STARTER_DESCRIPTORS : STARTER_DESCRIPTORS - 1;
    union {
      struct cmsghdr header;
      char bytes[CMSG_SPACE(STARTER_DESCRIPTORS * sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {.iov_base = &request, .iov_len = sizeof request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
    ssize_t sent;
    do {
      sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    int32_t answer = 0;
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    // An answer takes microseconds; after seconds the starter is stopped or dead.
    if (sent != sizeof request || transfer(fd, body, request.bytes, 1) < 0)
      failure = -EPIPE;
    else if (poll(&entry, 1, 5000) != 1)
      failure = -ETIMEDOUT;
    else if (transfer(fd, (char *)&answer, sizeof answer, 0) < 0)
      failure = -EPIPE;
    else if (answer <= 0)
      failure = answer < 0 ? answer : -EPIPE;
    *child = answer;
    close(here);
  }
  free(body);
  return failure;
}

// The locked folder of a socket, until that listens: a bound socket that does not listen yet looks
// stale, and another process would remove it. -1 if the lock is not available within a second.
static int lock_folder(const char *path) {
  char folder[sizeof((struct sockaddr_un *)0)->sun_path];
  strcpy(folder, path);
  char *slash = strrchr(folder, '/');
  if (slash == NULL)
    strcpy(folder, ".");
  else
    slash[slash == folder] = 0;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (int round = 0; fd >= 0 && round < 100; round++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    struct timespec pause = {.tv_nsec = 10000000};
    nanosleep(&pause, NULL);
  }
  if (fd >= 0) close(fd);
  return -1;
}

// Whether a socket's path has no listener. A full queue belongs to a busy listener. A socket of
// another user (EACCES) is not ours to remove.
static int is_stale(const struct sockaddr_un *address) {
  int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return 0;
  int refused = connect(probe, (const struct sockaddr *)address, sizeof *address) < 0 &&
                errno == ECONNREFUSED;
  close(probe);
  struct stat facts;
  if (!refused || lstat(address->sun_path, &facts) != 0 || !S_ISSOCK(facts.st_mode)) return 0;
  return facts.st_uid == geteuid() ? 1 : -EACCES;
}

int lb_unix_listen(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int folder = lock_folder(path);
  // Before the name exists, so that no other user can ever connect.
  if (fchmod(fd, 0600) < 0) goto failed;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    if (errno != EADDRINUSE) goto failed;
    int stale = folder >= 0 ? is_stale(&address) : 0;
    errno = stale < 0 ? -stale : EADDRINUSE;
    if (stale != 1 || unlink(path) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
      goto failed;
  }
  if (listen(fd, 4) == 0) {
    if (folder >= 0) close(folder);
    return fd;
  }
failed:;
  int error = errno;
  if (folder >= 0) close(folder);
  close(fd);
  return -error;
}

int lb_unix_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
  strcpy(address.sun_path, path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // If the listener's queue is full, connect(2) waits as long as a send.
  struct timeval timeout = {.tv_sec = 1};
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) == 0 &&
      connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  int error = errno;
  close(fd);
  return -error;
}

int lb_tcp_listen(const char *address, uint16_t port, uint16_t *bound) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } target;
  memset(&target, 0, sizeof target);
  socklen_t length = sizeof target.v4;
  if (inet_pton(AF_INET, address, &target.v4.sin_addr) == 1) {
    target.v4.sin_family = AF_INET;
    target.v4.sin_port = htons(port);
  } else if (inet_pton(AF_INET6, address, &target.v6.sin6_addr) == 1) {
    target.v6.sin6_family = AF_INET6;
    target.v6.sin6_port = htons(port);
    length = sizeof target.v6;
  } else {
    return -EINVAL;
  }
  int on = 1;
  int fd = socket(target.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  // The port of a server that has just ended can be used at once.
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      (target.any.sa_family == AF_INET6 &&
       setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) ||
      bind(fd, &target.any, length) < 0 || listen(fd, 16) < 0 ||
      getsockname(fd, &target.any, &length) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  *bound = ntohs(target.any.sa_family == AF_INET ? target.v4.sin_port : target.v6.sin6_port);
  return fd;
}

int lb_accept(int fd) {
  int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return connection < 0 ? -errno : connection;
}

int lb_tcp_connect(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // Refused or accepted immediately, unless the listener's queue is full.
  struct timeval timeout = {.tv_usec = 100000};
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  int error = connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
  close(fd);
  return -error;
}

int lb_tcp_free_port(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int error = 0;
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
      getsockname(fd, (struct sockaddr *)&address, &length) < 0)
    error = errno;
  close(fd);
  *port = ntohs(address.sin_port);
  return -error;
}

int lb_unix_accept(int fd, uint32_t *uid) {
  int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0) return -errno;
  struct ucred peer = {.uid = (uid_t)-1};
  socklen_t length = sizeof peer;
  struct timeval timeout = {.tv_sec = 1};
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ||
      setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0) {
    int error = errno;
    close(connection);
    return -error;
  }
  *uid = peer.uid;
  return connection;
}
