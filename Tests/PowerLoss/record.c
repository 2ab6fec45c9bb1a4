// Preloaded (LD_PRELOAD): writes each operation that changes what is below a directory, or makes it
// durable, into a log, in the order in which they take effect.
//   LB_LOSS_ROOT  the directory, absolute and without links
//   LB_LOSS_LOG   the log, outside of it
// Every call goes to the kernel directly. Those that concern the directory take turns, so that no
// operation stands in the log before one that preceded it; all others pass. A file whose name ends
// in -shm is SQLite's shared memory: it is rebuilt after a crash, and not logged.
#define _GNU_SOURCE
#include "log.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 65536

static char root[PATH_MAX];
static size_t root_length;
static int log_descriptor = -1;
static uint64_t opened;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
// By descriptor: the handle, 0 for what is elsewhere, and which file it was opened on.
static struct { uint64_t handle; ino_t inode; dev_t device; } files[DESCRIPTORS];

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("LB_LOSS_ROOT"), *log = getenv("LB_LOSS_LOG");
  if (!folder || !log) return;
  snprintf(root, sizeof root, "%s", folder);
  root_length = strlen(root);
  int number = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  // Far away from where programs expect theirs.
  log_descriptor = fcntl(number, F_DUPFD_CLOEXEC, 900);
  syscall(SYS_close, number);
  opened = (uint64_t)getpid() << 32;
}

static void put(uint32_t operation, uint64_t handle, uint64_t offset, uint32_t flags,
                const char *path, const char *other, const void *data, size_t length) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct entry entry = {
    .operation = operation, .flags = flags, .handle = handle, .offset = offset,
    .nanoseconds = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
    .path = path ? strlen(path) : 0, .other = other ? strlen(other) : 0, .data = length,
  };
  struct iovec parts[] = {
    { &entry, sizeof entry }, { (void *)path, entry.path }, { (void *)other, entry.other },
    { (void *)data, length },
  };
  size_t all = sizeof entry + entry.path + entry.other + length;
  if (syscall(SYS_writev, log_descriptor, parts, 4) != (ssize_t)all) {
    static const char words[] = "power loss: the log cannot be written\n";
    syscall(SYS_write, 2, words, sizeof words - 1);
    abort();
  }
}

// The path as it is below the directory, absolute; NULL for another one. `..` and links inside of
// it do not occur.
static const char *below(int folder, const char *path, char *room) {
  if (log_descriptor < 0 || !path) return NULL;
  if (path[0] == '/') {
    snprintf(room, PATH_MAX, "%s", path);
  } else {
    char name[64];
    if (folder == AT_FDCWD) snprintf(name, sizeof name, "/proc/self/cwd");
    else snprintf(name, sizeof name, "/proc/self/fd/%d", folder);
    ssize_t length = readlink(name, room, PATH_MAX - 1);
    if (length < 0) return NULL;
    snprintf(room + length, PATH_MAX - (size_t)length, "/%s", path);
  }
  if (strncmp(room, root, root_length) != 0) return NULL;
  if (room[root_length] != 0 && room[root_length] != '/') return NULL;
  size_t length = strlen(room);
  while (length > root_length && room[length - 1] == '/') room[--length] = 0;
  if (length > 4 && strcmp(room + length - 4, "-shm") == 0) return NULL;
  return room;
}

static uint64_t handle_of(int number) {
  if (number < 0 || number >= DESCRIPTORS || files[number].handle == 0) return 0;
  struct stat facts;
  // Closed behind our back, and used again.
  if (fstat(number, &facts) != 0 || facts.st_ino != files[number].inode
      || facts.st_dev != files[number].device)
    return 0;
  return files[number].handle;
}

static void lock(void) { pthread_mutex_lock(&turn); }
// Gives `result`, with the errno that belongs to it.
static long unlock(long result, int reason) {
  pthread_mutex_unlock(&turn);
  errno = reason;
  return result;
}

static int do_open(int folder, const char *path, int flags, mode_t mode) {
  char room[PATH_MAX];
  const char *full = below(folder, path, room);
  if (!full) return syscall(SYS_openat, folder, path, flags, mode);
  lock();
  int number = syscall(SYS_openat, folder, path, flags, mode);
  int reason = errno;
  struct stat facts;
  if (number >= 0 && number < DESCRIPTORS && fstat(number, &facts) == 0) {
    files[number].handle = ++opened;
    files[number].inode = facts.st_ino;
    files[number].device = facts.st_dev;
    put(OP_OPEN, opened, 0, (uint32_t)flags, full, NULL, NULL, 0);
    if ((flags & O_TMPFILE) == O_TMPFILE) put(OP_UNMODELLED, 0, 0, 0, full, "O_TMPFILE", NULL, 0);
  }
  return unlock(number, reason);
}

#define OPEN(name)                                          \
  int name(const char *path, int flags, ...) {              \
    va_list more;                                           \
    va_start(more, flags);                                  \
    mode_t mode = va_arg(more, mode_t);                     \
    va_end(more);                                           \
    return do_open(AT_FDCWD, path, flags, mode);            \
  }
#define OPENAT(name)                                        \
  int name(int folder, const char *path, int flags, ...) {  \
    va_list more;                                           \
    va_start(more, flags);                                  \
    mode_t mode = va_arg(more, mode_t);                     \
    va_end(more);                                           \
    return do_open(folder, path, flags, mode);              \
  }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
int __open_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return do_open(AT_FDCWD, path, flags, 0); }
int __openat_2(int folder, const char *path, int flags) { return do_open(folder, path, flags, 0); }
int __openat64_2(int folder, const char *path, int flags) {
  return do_open(folder, path, flags, 0);
}
int creat(const char *path, mode_t mode) {
  return do_open(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}
int creat64(const char *path, mode_t mode) { return creat(path, mode); }

int close(int number) {
  if (number == log_descriptor && number >= 0) return 0;
  if (number >= 0 && number < DESCRIPTORS) files[number].handle = 0;
  return syscall(SYS_close, number);
}

static void copied(int from, int to) {
  if (from < 0 || to < 0 || from >= DESCRIPTORS || to >= DESCRIPTORS || from == to) return;
  files[to] = files[from];
}
int dup(int number) {
  int result = syscall(SYS_dup, number);
  copied(number, result);
  return result;
}
int dup3(int number, int other, int flags) {
  int result = syscall(SYS_dup3, number, other, flags);
  copied(number, result);
  return result;
}
int dup2(int number, int other) { return number == other ? other : dup3(number, other, 0); }

// Where the next write(2) goes.
static uint64_t place(int number) {
  struct stat facts;
  if (fcntl(number, F_GETFL) & O_APPEND && fstat(number, &facts) == 0)
    return (uint64_t)facts.st_size;
  return (uint64_t)syscall(SYS_lseek, number, 0, SEEK_CUR);
}

ssize_t write(int number, const void *data, size_t length) {
  uint64_t handle = handle_of(number);
  if (!handle) return syscall(SYS_write, number, data, length);
  lock();
  uint64_t offset = place(number);
  ssize_t done = syscall(SYS_write, number, data, length);
  int reason = errno;
  if (done > 0) put(OP_WRITE, handle, offset, 0, NULL, NULL, data, (size_t)done);
  return unlock(done, reason);
}

ssize_t pwrite64(int number, const void *data, size_t length, off64_t offset) {
  uint64_t handle = handle_of(number);
  if (!handle) return syscall(SYS_pwrite64, number, data, length, offset);
  lock();
  ssize_t done = syscall(SYS_pwrite64, number, data, length, offset);
  int reason = errno;
  if (done > 0) put(OP_WRITE, handle, (uint64_t)offset, 0, NULL, NULL, data, (size_t)done);
  return unlock(done, reason);
}
ssize_t pwrite(int number, const void *data, size_t length, off_t offset) {
  return pwrite64(number, data, length, offset);
}

static ssize_t vector(int number, const struct iovec *parts, int count, off64_t offset, int isAt) {
  ssize_t all = 0;
  for (int index = 0; index < count; index++) {
    ssize_t done = isAt ? pwrite64(number, parts[index].iov_base, parts[index].iov_len, offset)
                        : write(number, parts[index].iov_base, parts[index].iov_len);
    if (done < 0) return all > 0 ? all : -1;
    all += done;
    offset += done;
    if ((size_t)done < parts[index].iov_len) break;
  }
  return all;
}
ssize_t writev(int number, const struct iovec *parts, int count) {
  if (!handle_of(number)) return syscall(SYS_writev, number, parts, count);
  return vector(number, parts, count, 0, 0);
}
ssize_t pwritev64(int number, const struct iovec *parts, int count, off64_t offset) {
  return vector(number, parts, count, offset, 1);
}
ssize_t pwritev(int number, const struct iovec *parts, int count, off_t offset) {
  return vector(number, parts, count, offset, 1);
}
ssize_t pwritev64v2(int number, const struct iovec *parts, int count, off64_t offset, int flags) {
  (void)flags;
  return offset == -1 ? vector(number, parts, count, 0, 0)
                      : vector(number, parts, count, offset, 1);
}
ssize_t pwritev2(int number, const struct iovec *parts, int count, off_t offset, int flags) {
  return pwritev64v2(number, parts, count, offset, flags);
}

int ftruncate64(int number, off64_t size) {
  uint64_t handle = handle_of(number);
  if (!handle) return syscall(SYS_ftruncate, number, size);
  lock();
  int result = syscall(SYS_ftruncate, number, size);
  int reason = errno;
  if (result == 0) put(OP_TRUNCATE, handle, (uint64_t)size, 0, NULL, NULL, NULL, 0);
  return unlock(result, reason);
}
int ftruncate(int number, off_t size) { return ftruncate64(number, size); }

static int allocate(int number, int mode, off64_t offset, off64_t length) {
  uint64_t handle = handle_of(number);
  if (!handle) return syscall(SYS_fallocate, number, mode, offset, length);
  lock();
  int result = syscall(SYS_fallocate, number, mode, offset, length);
  int reason = errno;
  if (result == 0 && mode == 0)
    put(OP_ALLOCATE, handle, (uint64_t)(offset + length), 0, NULL, NULL, NULL, 0);
  else if (result == 0 && mode != FALLOC_FL_KEEP_SIZE)
    put(OP_UNMODELLED, handle, 0, 0, "?", "fallocate", NULL, 0);
  return unlock(result, reason);
}
int fallocate(int number, int mode, off_t offset, off_t length) {
  return allocate(number, mode, offset, length);
}
int fallocate64(int number, int mode, off64_t offset, off64_t length) {
  return allocate(number, mode, offset, length);
}
int posix_fallocate(int number, off_t offset, off_t length) {
  return allocate(number, 0, offset, length) == 0 ? 0 : errno;
}
int posix_fallocate64(int number, off64_t offset, off64_t length) {
  return allocate(number, 0, offset, length) == 0 ? 0 : errno;
}

static int flush(long call, int number) {
  uint64_t handle = handle_of(number);
  if (!handle) return syscall(call, number);
  lock();
  // The disk is simulated: what the host's own does with it is of no interest.
  put(OP_SYNC, handle, 0, 0, NULL, NULL, NULL, 0);
  return unlock(0, errno);
}
int fsync(int number) { return flush(SYS_fsync, number); }
int fdatasync(int number) { return flush(SYS_fdatasync, number); }

static int unknown(int number, const char *name) {
  uint64_t handle = handle_of(number);
  if (!handle) return 0;
  lock();
  put(OP_UNMODELLED, handle, 0, 0, "?", name, NULL, 0);
  return unlock(1, errno);
}
void *mmap64(void *place, size_t length, int protection, int flags, int number, off64_t offset) {
  if (number >= 0 && protection & PROT_WRITE && flags & MAP_SHARED) unknown(number, "mmap");
  return (void *)syscall(SYS_mmap, place, length, protection, flags, number, offset);
}
void *mmap(void *place, size_t length, int protection, int flags, int number, off_t offset) {
  return mmap64(place, length, protection, flags, number, offset);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t count) {
  unknown(out, "sendfile");
  return syscall(SYS_sendfile, out, in, offset, count);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length,
                        unsigned int flags) {
  unknown(out, "copy_file_range");
  return syscall(SYS_copy_file_range, in, from, out, to, length, flags);
}

// One that changes names: done and written under the lock where a path is ours.
static int named(uint32_t operation, int folder, const char *path, int otherFolder,
                 const char *other, long call, int flags, mode_t mode) {
  char room[PATH_MAX], otherRoom[PATH_MAX];
  const char *full = below(folder, path, room);
  const char *otherFull = other ? below(otherFolder, other, otherRoom) : NULL;
  int isOurs = full || otherFull;
  if (isOurs) lock();
  long result = call == SYS_renameat2 || call == SYS_linkat
    ? syscall(call, folder, path, otherFolder, other, flags)
    : syscall(call, folder, path, call == SYS_mkdirat ? (int)mode : flags);
  int reason = errno;
  if (!isOurs) return (int)result;
  if (result == 0) {
    if (other && !(full && otherFull))
      put(OP_UNMODELLED, 0, 0, 0, path, "a name from outside", NULL, 0);
    else put(operation, 0, 0, 0, full, otherFull, NULL, 0);
  }
  return (int)unlock(result, reason);
}
int rename(const char *from, const char *to) {
  return named(OP_RENAME, AT_FDCWD, from, AT_FDCWD, to, SYS_renameat2, 0, 0);
}
int renameat(int folder, const char *from, int other, const char *to) {
  return named(OP_RENAME, folder, from, other, to, SYS_renameat2, 0, 0);
}
int renameat2(int folder, const char *from, int other, const char *to, unsigned int flags) {
  return named(OP_RENAME, folder, from, other, to, SYS_renameat2, (int)flags, 0);
}
int link(const char *from, const char *to) {
  return named(OP_LINK, AT_FDCWD, from, AT_FDCWD, to, SYS_linkat, 0, 0);
}
int linkat(int folder, const char *from, int other, const char *to, int flags) {
  return named(OP_LINK, folder, from, other, to, SYS_linkat, flags, 0);
}
int unlink(const char *path) {
  return named(OP_UNLINK, AT_FDCWD, path, 0, NULL, SYS_unlinkat, 0, 0);
}
int unlinkat(int folder, const char *path, int flags) {
  return named(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, folder, path, 0, NULL, SYS_unlinkat,
               flags, 0);
}
int rmdir(const char *path) {
  return named(OP_RMDIR, AT_FDCWD, path, 0, NULL, SYS_unlinkat, AT_REMOVEDIR, 0);
}
int mkdir(const char *path, mode_t mode) {
  return named(OP_MKDIR, AT_FDCWD, path, 0, NULL, SYS_mkdirat, 0, mode);
}
int mkdirat(int folder, const char *path, mode_t mode) {
  return named(OP_MKDIR, folder, path, 0, NULL, SYS_mkdirat, 0, mode);
}
