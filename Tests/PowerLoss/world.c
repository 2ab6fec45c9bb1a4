#define _GNU_SOURCE
#include "world.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const lossNames[LOSSES] = {
  "nothing is lost", "everything unflushed is lost", "unflushed data are zeros",
  "lost behind one operation", "sectors are lost", "pages are lost", "files are lost",
  "recent pages are lost",
};

struct node {
  int isFolder;
  int *steps; // what changed its content
  int count, room;
  int flushed; // so many of them are on the disk
};

struct change { // of a name
  int step;
  enum operation operation;
  const char *path, *other;
  int node;
  int isFlushed;
};

struct name { const char *path; int node; };
struct handle { uint64_t handle; int node; const char *path; };

struct world {
  struct node *nodes;
  int nodeCount;
  struct change *changes;
  int changeCount;
  struct name *names;
  int nameCount;
  struct handle *handles;
  int handleCount;
};

void fail(const char *format, ...) {
  va_list more;
  va_start(more, format);
  fprintf(stderr, "power loss: ");
  vfprintf(stderr, format, more);
  fprintf(stderr, "\n");
  va_end(more);
  exit(2);
}

// splitmix64
uint64_t chance(uint64_t *seed) {
  uint64_t value = *seed += 0x9E3779B97F4A7C15;
  value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
  value = (value ^ value >> 27) * 0x94D049BB133111EB;
  return value ^ value >> 31;
}

static void *grown(void *array, int count, size_t size) {
  // To the next power of two, when the count is one.
  if (count & (count - 1)) return array;
  void *result = realloc(array, (count ? 2 * (size_t)count : 1) * size);
  if (!result) fail("no memory");
  return result;
}

struct log readLog(const char *path, const char *root) {
  struct log log = { .root = strdup(root) };
  int number = open(path, O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (number < 0 || fstat(number, &facts) != 0) fail("%s: %s", path, strerror(errno));
  uint8_t *bytes = malloc((size_t)facts.st_size + 1);
  if (!bytes) fail("no memory");
  for (off_t done = 0; done < facts.st_size;) {
    ssize_t part = read(number, bytes + done, (size_t)(facts.st_size - done));
    if (part <= 0) fail("%s: %s", path, strerror(errno));
    done += part;
  }
  close(number);
  for (size_t place = 0; place + sizeof(struct entry) <= (size_t)facts.st_size;) {
    struct step step = { 0 };
    memcpy(&step.entry, bytes + place, sizeof step.entry);
    place += sizeof step.entry;
    step.path = strndup((char *)bytes + place, step.entry.path);
    place += step.entry.path;
    step.other = strndup((char *)bytes + place, step.entry.other);
    place += step.entry.other;
    step.data = bytes + place;
    place += step.entry.data;
    log.steps = grown(log.steps, log.count, sizeof *log.steps);
    log.steps[log.count++] = step;
  }
  return log;
}

static int find(const struct world *world, const char *path) {
  for (int index = 0; index < world->nameCount; index++)
    if (strcmp(world->names[index].path, path) == 0) return index;
  return -1;
}

static void forget(struct world *world, const char *path) {
  int index = find(world, path);
  if (index >= 0) world->names[index] = world->names[--world->nameCount];
}

static void name(struct world *world, const char *path, int node) {
  int index = find(world, path);
  if (index < 0) {
    world->names = grown(world->names, world->nameCount, sizeof *world->names);
    index = world->nameCount++;
  }
  world->names[index] = (struct name){ path, node };
}

static int newNode(struct world *world, int isFolder) {
  world->nodes = grown(world->nodes, world->nodeCount, sizeof *world->nodes);
  world->nodes[world->nodeCount] = (struct node){ .isFolder = isFolder };
  return world->nodeCount++;
}

static void apply(struct world *world, const struct change *change) {
  switch (change->operation) {
    case OP_UNLINK: case OP_RMDIR: forget(world, change->path); break;
    case OP_RENAME: forget(world, change->path); name(world, change->other, change->node); break;
    case OP_LINK: name(world, change->other, change->node); break;
    default: name(world, change->path, change->node); break;
  }
}

static void changeName(struct world *world, enum operation operation, int step, const char *path,
                       const char *other, int node) {
  world->changes = grown(world->changes, world->changeCount, sizeof *world->changes);
  struct change *change = &world->changes[world->changeCount++];
  *change = (struct change){ step, operation, path, other, node, 0 };
  apply(world, change);
}

static int hasSuffix(const char *text, const char *suffix) {
  size_t length = strlen(text), end = strlen(suffix);
  return length >= end && strcmp(text + length - end, suffix) == 0;
}

// Whether a name stands in this folder.
static int isIn(const char *path, const char *folder) {
  size_t length = strlen(folder);
  return strncmp(path, folder, length) == 0 && path[length] == '/'
    && !strchr(path + length + 1, '/');
}

static const struct handle *known(const struct world *world, uint64_t handle) {
  for (int index = world->handleCount - 1; index >= 0; index--)
    if (world->handles[index].handle == handle) return &world->handles[index];
  fail("the log has a handle that was never opened");
}

static void change(struct world *world, int node, int step) {
  struct node *file = &world->nodes[node];
  file->steps = grown(file->steps, file->count, sizeof *file->steps);
  file->steps[file->count++] = step;
}

static void flushNames(struct world *world, const char *folder) {
  for (int index = 0; index < world->changeCount; index++) {
    struct change *change = &world->changes[index];
    if (!folder || isIn(change->other && *change->other ? change->other : change->path, folder))
      change->isFlushed = 1;
  }
}

static struct world replay(const struct log *log, int at, struct fate fate) {
  struct world world = { 0 };
  name(&world, log->root, newNode(&world, 1));
  for (int index = 0; index < at; index++) {
    const struct step *step = &log->steps[index];
    switch (step->entry.operation) {
      case OP_OPEN: {
        int place = find(&world, step->path);
        int node = place < 0 ? -1 : world.names[place].node;
        if (node < 0) {
          if (!(step->entry.flags & O_CREAT)) fail("%s is opened, and not there", step->path);
          node = newNode(&world, 0);
          changeName(&world, OP_OPEN, index, step->path, NULL, node);
        } else if (step->entry.flags & O_TRUNC) {
          change(&world, node, index);
        }
        world.handles = grown(world.handles, world.handleCount, sizeof *world.handles);
        world.handles[world.handleCount++] =
          (struct handle){ step->entry.handle, node, step->path };
        break;
      }
      case OP_WRITE: case OP_TRUNCATE: case OP_ALLOCATE:
        change(&world, known(&world, step->entry.handle)->node, index);
        break;
      case OP_SYNC: {
        const struct handle *file = known(&world, step->entry.handle);
        struct node *node = &world.nodes[file->node];
        if (fate.broken == BROKEN_ALL) break;
        if (fate.broken == BROKEN_LOG && hasSuffix(file->path, "-wal")) break;
        if (fate.broken == BROKEN_FOLDERS && node->isFolder) break;
        node->flushed = node->count;
        if (fate.isJournal) flushNames(&world, NULL);
        else if (node->isFolder) flushNames(&world, file->path);
        break;
      }
      case OP_RENAME: case OP_LINK: {
        int place = find(&world, step->path);
        if (place < 0) fail("%s gets another name, and is not there", step->path);
        changeName(&world, step->entry.operation, index, step->path, step->other,
                   world.names[place].node);
        break;
      }
      case OP_MKDIR:
        changeName(&world, OP_MKDIR, index, step->path, NULL, newNode(&world, 1));
        break;
      case OP_UNLINK: case OP_RMDIR:
        changeName(&world, step->entry.operation, index, step->path, NULL, -1);
        break;
      case OP_UNMODELLED:
        fail("%s is written in a way that is not simulated: %s", step->path, step->other);
      default: break;
    }
  }
  return world;
}

static void discard(struct world *world) {
  for (int index = 0; index < world->nodeCount; index++) free(world->nodes[index].steps);
  free(world->nodes);
  free(world->changes);
  free(world->names);
  free(world->handles);
}

struct content { uint8_t *bytes; size_t size, room; };

static void resize(struct content *content, size_t size) {
  if (size > content->room) {
    content->room = size * 2;
    content->bytes = realloc(content->bytes, content->room);
    if (!content->bytes) fail("no memory");
  }
  if (size > content->size) memset(content->bytes + content->size, 0, size - content->size);
  content->size = size;
}

// The part of a write that sectors by chance leave of it, clipped to the file's size.
static void put(struct content *content, const struct step *step, size_t sector, uint64_t *seed,
                unsigned odds) {
  size_t from = step->entry.offset, end = from + step->entry.data;
  while (from < end) {
    size_t next = sector ? (from / sector + 1) * sector : end;
    if (next > end) next = end;
    int isThere = sector == 0 || chance(seed) % 100 < odds;
    size_t last = next < content->size ? next : content->size;
    if (isThere && from < last)
      memcpy(content->bytes + from, step->data + (from - step->entry.offset), last - from);
    from = next;
  }
}

static void build(const struct log *log, const struct node *node, struct fate fate, int at,
                  int behind, unsigned odds, uint64_t *seed, struct content *content) {
  content->size = 0;
  uint64_t now = at > 0 ? log->steps[at - 1].entry.nanoseconds : 0;
  int isKept = fate.loss == LOSS_NOTHING;
  if (fate.loss == LOSS_FILES) isKept = chance(seed) % 2;
  size_t sector = fate.loss == LOSS_SECTORS ? 512
    : fate.loss == LOSS_PAGES || fate.loss == LOSS_RECENT ? 4096 : 0;
  // The sizes of so many more changes are there.
  int pending = node->count - node->flushed;
  int sizes = isKept || fate.loss == LOSS_DATA ? pending
    : sector ? (int)(chance(seed) % (uint64_t)(pending + 1)) : 0;
  for (int index = 0; index < node->count; index++) {
    const struct step *step = &log->steps[node->steps[index]];
    int isOld = fate.loss == LOSS_RECENT && step->entry.nanoseconds + fate.age < now;
    int isFlushed = index < node->flushed || isKept || isOld
      || (fate.loss == LOSS_BEHIND && node->steps[index] < behind);
    int hasSize = isFlushed || index < node->flushed + sizes;
    if (!isFlushed && !hasSize && !sector) continue;
    size_t end = step->entry.offset + step->entry.data;
    switch (step->entry.operation) {
      case OP_WRITE:
        if (hasSize && end > content->size) resize(content, end);
        // With sizes alone, what was there before stays.
        if (isFlushed) put(content, step, 0, seed, 100);
        else if (sector) put(content, step, sector, seed, odds);
        break;
      case OP_ALLOCATE:
        if (hasSize && step->entry.offset > content->size) resize(content, step->entry.offset);
        break;
      default: {
        // Cut off, or not: then nothing is there of what was written into it since.
        size_t size = step->entry.operation == OP_OPEN ? 0 : step->entry.offset;
        if (!hasSize) return;
        resize(content, size);
      }
    }
  }
}

static void writeFile(const char *path, const struct content *content) {
  int number = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (number < 0) fail("%s: %s", path, strerror(errno));
  for (size_t done = 0; done < content->size;) {
    ssize_t part = write(number, content->bytes + done, content->size - done);
    if (part <= 0) fail("%s: %s", path, strerror(errno));
    done += (size_t)part;
  }
  close(number);
}

static int byPath(const void *left, const void *right) {
  return strcmp(((const struct name *)left)->path, ((const struct name *)right)->path);
}

void materialise(const struct log *log, int at, struct fate fate, const char *out) {
  uint64_t seed = fate.seed;
  struct world world = replay(log, at, fate);
  uint64_t now = at > 0 ? log->steps[at - 1].entry.nanoseconds : 0;
  int behind = fate.loss == LOSS_BEHIND ? (int)(chance(&seed) % (uint64_t)(at + 1)) : 0;
  // Names change in order: up to some step all of them are there, in each folder.
  int limit = fate.loss == LOSS_NOTHING || fate.loss == LOSS_DATA ? at
    : fate.loss == LOSS_EVERYTHING ? 0
    : fate.loss == LOSS_BEHIND ? behind
    : chance(&seed) % 2 ? at - (int)(chance(&seed) % 40)
    : (int)(chance(&seed) % (uint64_t)(at + 1));
  unsigned odds = (unsigned[]){ 10, 50, 90, 97 }[chance(&seed) % 4];
  struct world kept = { 0 };
  name(&kept, log->root, 0);
  for (int index = 0; index < world.changeCount; index++) {
    const struct change *change = &world.changes[index];
    int isOld = fate.loss == LOSS_RECENT
      && log->steps[change->step].entry.nanoseconds + fate.age < now;
    if (change->isFlushed || isOld || change->step < limit) apply(&kept, change);
  }
  qsort(kept.names, (size_t)kept.nameCount, sizeof *kept.names, byPath);
  struct content content = { 0 };
  char **written = calloc((size_t)world.nodeCount, sizeof *written);
  size_t root = strlen(log->root);
  for (int index = 0; index < kept.nameCount; index++) {
    const struct name *one = &kept.names[index];
    if (strlen(one->path) == root) continue;
    if (fate.hasNoTail && hasSuffix(one->path, "-tail")) continue;
    // In a folder that is not there, it is lost.
    char *folder = strndup(one->path, (size_t)(strrchr(one->path, '/') - one->path));
    int isReachable = find(&kept, folder) >= 0;
    free(folder);
    char *path;
    if (asprintf(&path, "%s%s", out, one->path + root) < 0) fail("no memory");
    struct stat facts;
    if (isReachable) {
      char *slash = strrchr(path, '/');
      *slash = 0;
      isReachable = stat(path, &facts) == 0;
      *slash = '/';
    }
    if (!isReachable) {
      free(path);
      continue;
    }
    if (world.nodes[one->node].isFolder) {
      if (mkdir(path, 0755) != 0) fail("%s: %s", path, strerror(errno));
    } else if (written[one->node]) {
      if (link(written[one->node], path) != 0) fail("%s: %s", path, strerror(errno));
    } else {
      uint64_t own = fate.seed ^ (uint64_t)(one->node + 1) * 0xD1B54A32D192ED03;
      build(log, &world.nodes[one->node], fate, at, behind, odds, &own, &content);
      writeFile(path, &content);
      written[one->node] = path;
      continue;
    }
    free(path);
  }
  for (int index = 0; index < world.nodeCount; index++) free(written[index]);
  free(written);
  free(content.bytes);
  discard(&world);
  discard(&kept);
}

int lastFlush(const struct log *log, int at, const char *suffix) {
  for (int index = at - 1; index >= 0; index--) {
    if (log->steps[index].entry.operation != OP_SYNC) continue;
    for (int open = index; open >= 0; open--) {
      const struct step *step = &log->steps[open];
      if (step->entry.operation != OP_OPEN || step->entry.handle != log->steps[index].entry.handle)
        continue;
      if (hasSuffix(step->path, suffix)) return index;
      break;
    }
  }
  return -1;
}
