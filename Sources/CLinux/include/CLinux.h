// Shims for what Swift cannot import: variadic calls, _GNU_SOURCE calls, and the gated fork.
// No logic beyond that.
#ifndef LB_CLINUX_H
#define LB_CLINUX_H

#ifndef __linux__
#error "lbsample samples the Linux kernel: it builds on Linux only"
#endif

#include <linux/acct.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/futex.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <termios.h>
#include <time.h>

// Inline system calls for the sampling path. After an idle period every extra code page costs about a
// microsecond, and libc adds five between a caller and its system call.
#if defined(__x86_64__)
static inline long lb_syscall6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#elif defined(__aarch64__)
static inline long lb_syscall6(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}
#else
// syscall(2), which returns -errno as the kernel does.
long lb_syscall6(long number, long a, long b, long c, long d, long e, long f);
#endif

// clock_gettime(2) in nanoseconds. In C, since Swift may see struct timespec as a type of this module
// or of Glibc.
static inline uint64_t lb_clock(int clock) {
  struct timespec time;
  (void)clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// pread(2): bytes read, or -errno.
#if defined(__LP64__)
static inline long lb_pread(int fd, void *buffer, size_t count, int64_t offset) {
  return lb_syscall6(SYS_pread64, fd, (long)buffer, (long)count, (long)offset, 0, 0);
}
#else
long lb_pread(int fd, void *buffer, size_t count, int64_t offset);
#endif
// fstatfs(2): 1 for a file of proc(5), 0 for any other.
int lb_is_on_proc(int fd);
// fstatfs(2): 1 for a file of the kernel's own file systems, whose files are never replaced; 0 for
// any other.
int lb_is_kernel_text(int fd);
// open(2) of a regular file for reading: its descriptor, or -errno.
int lb_open_text(const char *path);
// fstat(2): which file it is; 0 or -errno.
int lb_identity(int fd, uint64_t *device, uint64_t *inode);
// stat(2): 0 if that file is at path, -ENOENT if another one is, else -errno.
int lb_names(const char *path, uint64_t device, uint64_t inode);

// futex(2): FUTEX_WAIT_BITSET with an absolute CLOCK_MONOTONIC deadline (UINT64_MAX: none).
// Returns 0 or -errno.
static inline long lb_futex_wait_until(const uint32_t *word, uint32_t expected,
                                       uint64_t deadline_ns) {
  struct timespec deadline = {
      .tv_sec = (time_t)(deadline_ns / 1000000000u),
      .tv_nsec = (long)(deadline_ns % 1000000000u),
  };
  return lb_syscall6(SYS_futex, (long)word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                     (long)expected, deadline_ns == UINT64_MAX ? 0 : (long)&deadline, 0,
                     (long)FUTEX_BITSET_MATCH_ANY);
}
// futex(2): FUTEX_WAKE of every waiter.
void lb_futex_wake_all(const uint32_t *word);

// madvise(2), MADV_DONTNEED of the program's segments that cannot be written: they are mapped
// again from the page cache when used. A debugger's breakpoints in them are lost.
void lb_release_program(void);

// sched_setaffinity(2), sched_getaffinity(2) of the calling thread over a mask of 64-bit words.
// Return 0 (get: the bytes the kernel wrote) or -errno.
int lb_set_affinity(const uint64_t *mask, size_t bytes);
int lb_get_affinity(uint64_t *mask, size_t bytes);

// RLIMIT_MEMLOCK in bytes, UINT64_MAX when unlimited.
uint64_t lb_memory_lock_limit(void);
int lb_set_thread_name(const char *name);
// capget(2) and capset(2) of the calling thread: keeps of its capabilities those of `mask`. Returns
// 0 or errno.
int lb_keep_capabilities(uint64_t mask);
int lb_eventfd(void);
// The program's arguments, its name first, and how many there are.
int lb_argument_count(void);
const char *lb_argument(int index);
// An entry of environ(7), of those up to the first NULL.
const char *lb_environment(int index);
// Opens closed descriptors of 0 to 2 as /dev/null, for reading: no file opened later gets their
// numbers. 0 or errno.
int lb_hold_standard_descriptors(void);
// pthread_setattr_default_np(3): new threads have stacks of at least so many bytes. 0 or errno.
int lb_raise_thread_stacks(size_t bytes);
// swapcontext(3): calls body in this thread, on a stack of its own. 0 or errno.
int lb_call_on_stack(size_t bytes, void (*body)(void));
// tee(2): 1 if a named FIFO that was opened for reading is empty and has no writer, else 0, or -errno.
int lb_is_deserted(int fifo);
// memfd_create(2) with room for `bytes`: a descriptor or -errno.
int lb_memory_file(int64_t bytes);
// Maps the pages of shared `memory` a second time, at `target`. 0 or errno.
int lb_mirror(void *memory, size_t bytes, void *target);
// signalfd(2) over those of the signals that are not ignored, blocked in this thread first.
int lb_signalfd(const int *signals, size_t count);
// The next pending signal's number, 0 when there is none.
int lb_read_signal(int fd);
int lb_pipe(int ends[2]);
struct pollfd;
// ppoll(2) until an absolute CLOCK_MONOTONIC deadline (UINT64_MAX: none): ready count or -errno.
int lb_poll_until(struct pollfd *entries, size_t count, uint64_t deadline_ns);
int lb_set_timer_slack(uint64_t ns);
int lb_set_child_subreaper(int on);
int lb_pidfd_open(int pid);
int lb_terminal_size(int fd, uint16_t *columns, uint16_t *rows);
// perf_event_open(2) of the software task clock of `pid` and all its later descendants, from its
// next exec on: a descriptor or -errno. Reading it returns eight bytes of nanoseconds.
int lb_perf_task_clock(int pid);
// The fields of perf_event_attr that counting needs; `flags` are LB_PERF_ bits.
struct lb_perf_event {
  uint32_t type;
  uint32_t flags;
  uint64_t config, config1, config2, config3;
  uint32_t bp_type;
  uint32_t precise_ip;
};
enum {
  LB_PERF_EXCLUDE_USER = 1 << 0,
  LB_PERF_EXCLUDE_KERNEL = 1 << 1,
  LB_PERF_EXCLUDE_HV = 1 << 2,
  LB_PERF_EXCLUDE_HOST = 1 << 3,
  LB_PERF_EXCLUDE_GUEST = 1 << 4,
  LB_PERF_EXCLUDE_IDLE = 1 << 5,
  LB_PERF_PINNED = 1 << 6,
  LB_PERF_DISABLED = 1 << 7,
  LB_PERF_INHERIT = 1 << 8,
  LB_PERF_ENABLE_ON_EXEC = 1 << 9,
  LB_PERF_OF_CGROUP = 1 << 10,
};
// perf_event_open(2) of a counting event, read as a group with its times: a descriptor or -errno.
// `pid` is a control group's descriptor with LB_PERF_OF_CGROUP.
int lb_perf_open(const struct lb_perf_event *event, int pid, int cpu, int group);
// The page of an open event, through which its counter can be read if the kernel permits it
// (mmap(2)): its address or NULL.
void *lb_perf_map(int fd);
void lb_perf_unmap(void *page);
// rdpmc and rdtsc: 0 on other processors.
uint64_t lb_read_counter(uint32_t index);
uint64_t lb_read_cycles(void);
// The CPU that the caller runs on, -1 if unknown.
int lb_current_cpu(void);
// PERF_EVENT_IOC_ENABLE, DISABLE or RESET of a whole group: 0 or -errno.
int lb_perf_enable_group(int fd);
// A Unix stream socket of mode 0600 that listens at `path`, replacing one without a listener:
// a descriptor or -errno.
int lb_unix_listen(const char *path);
// The next connection and the user at its other end (SO_PEERCRED). Sending waits at most a second
// for the peer to read. A descriptor or -errno.
int lb_unix_accept(int fd, uint32_t *uid);
// A connection to the Unix stream socket at `path`: a descriptor or -errno.
int lb_unix_connect(const char *path);
// A TCP socket that listens at a numeric address of IPv4 or IPv6; `bound` is the port that it got.
// -EINVAL if `address` is none. A descriptor or -errno.
int lb_tcp_listen(const char *address, uint16_t port, uint16_t *bound);
// The next connection of a listening socket, which never waits: a descriptor or -errno.
int lb_accept(int fd);
// Whether something accepts TCP connections at `port` of 127.0.0.1: 0 or -errno.
int lb_tcp_connect(uint16_t port);
// A TCP port of 127.0.0.1 that nothing is bound to now: 0 or -errno.
int lb_tcp_free_port(uint16_t *port);
// A bound, non-blocking netlink socket whose receive buffer has up to `receive_bytes`: a
// descriptor or -errno.
int lb_netlink_open(int protocol, uint32_t groups, int receive_bytes);
// recv(2) of one message that the kernel itself sent: its bytes, 0 for another sender's,
// -EAGAIN when there is none, -ENOBUFS when some were lost.
long lb_netlink_receive(int fd, void *buffer, size_t bytes);
// adjtimex(2) without changes: the kernel's fields, in the order of LB_TIMEX_FIELDS. Returns the
// clock's state or -errno.
enum { LB_TIMEX_FIELDS = 16 };
int lb_read_timex(int64_t fields[LB_TIMEX_FIELDS]);
// statfs(2): block size, blocks, free, available, files, free files, read-only. 0 or -errno.
int lb_read_statfs(const char *path, uint64_t fields[7]);
// The device of the file system that `path` is in (stat(2)). 0 or -errno.
int lb_device_of(const char *path, uint64_t *device);
// Whether a file of /proc has changed since it was opened or last checked, by poll(2).
int lb_has_changed(int fd);
// O_PATH of open(2).
extern const int lb_open_path;
// getdents64(2) from the directory's current offset: bytes, 0 at the end, -errno.
long lb_read_directory(int fd, void *buffer, size_t bytes);
// Raises RLIMIT_NOFILE's soft limit to the hard one and returns it. A child of lb_spawn_gated gets
// the original one.
uint64_t lb_raise_descriptor_limit(void);
// capget(2): the effective set, or -errno.
int lb_effective_capabilities(uint64_t *mask);
int lb_drop_inheritable_capabilities(void);
// waitid(2) with WEXITED|WNOWAIT|WNOHANG: 1 exited (code/signal set), 0 still running, -errno.
int lb_peek_exit(int pid, int *code, int *signal);

// The set-up of the child of lb_spawn_gated between fork and exec, all prepared by the caller.
struct lb_spawn {
  const char *path;           // absolute, or relative to the child's directory
  char *const *argv;
  char *const *envp;
  const char *directory;      // NULL: stay
  int input_fd, output_fd, error_fd;
  int gate_fd;                // read end: one byte opens the gate, end of file abandons
  // The other ends of gate and status pipe, or -1: closed, or end of file would never come.
  int gate_write_fd, status_read_fd;
  int status_fd;              // write end, close-on-exec: struct lb_spawn_report messages
  const uint64_t *cpu_mask;   // NULL: leave
  size_t cpu_mask_bytes;
  int change_user;
  uid_t uid;
  gid_t gid;
  const gid_t *groups;
  size_t group_count;
  int foreground_fd;          // terminal whose foreground the child's group becomes, or -1
  // The mark of it and its descendants: the soft RLIMIT_LOCKS, which Linux has ignored since 2.4
  // and /proc/PID/limits shows. 0: none.
  uint64_t mark;
};

enum lb_spawn_step {
  LB_SPAWN_READY = 0,
  LB_SPAWN_SETPGID,
  LB_SPAWN_AFFINITY,
  LB_SPAWN_REDIRECT,
  LB_SPAWN_USER,
  LB_SPAWN_DIRECTORY,
  LB_SPAWN_FOREGROUND,
  LB_SPAWN_EXEC,
  LB_SPAWN_CAPABILITIES,
};

struct lb_spawn_report {
  int32_t step;
  int32_t error;
  // With LB_SPAWN_READY: the child's usage so far, which does not count for the workload.
  int64_t user_us;
  int64_t system_us;
  int64_t peak_resident_kib;
  int64_t voluntary_switches;
  int64_t involuntary_switches;
};

// tcgetpgrp(3) and tcsetpgrp(3), the latter with SIGTTOU blocked. Give the group, 0, or -errno.
pid_t lb_foreground_group(int fd);
int lb_set_foreground_group(int fd, pid_t group);
// tcsetattr(3) at once, with SIGTTOU blocked: 0 or -errno.
int lb_set_terminal_modes(int fd, const struct termios *modes);

// From now on a fatal signal (a trap, an abort) and exit(3) write these bytes to the terminal and set
// its modes before the process ends; one terminal at a time. Of `bytes` it keeps the first 128.
void lb_guard_terminal(int fd, const struct termios *modes, const char *bytes, size_t count);
// Does so now, if it was not done since lb_guard_terminal. Async-signal-safe.
void lb_restore_terminal(void);

// fork(2); the child sets itself up, reports LB_SPAWN_READY, waits at the gate, then execs.
// Returns the child's pid or -errno. A step that fails is reported on status_fd.
pid_t lb_spawn_gated(const struct lb_spawn *plan);

// Closes every descriptor from 3 on that has FD_CLOEXEC, except two. Async-signal-safe.
void lb_close_private(int keep, int keep_too);

// Forks a starter: a process that only clones children for its parent, which then are the
// parent's own (CLONE_PARENT). As it is forked while its parent is small, their exec has little to
// tear down. It has every signal blocked, keeps the parent's descriptors without FD_CLOEXEC, ends
// when its socket closes, and is killed when the forking thread ends. Returns its pid and the
// socket, or -errno.
pid_t lb_starter_fork(int *fd);
// As lb_spawn_gated, by a starter: 0 and the child's pid, or -errno; after -EPIPE or -ETIMEDOUT the
// starter is unusable.
int lb_starter_spawn(int fd, const struct lb_spawn *plan, pid_t *child);

#endif
