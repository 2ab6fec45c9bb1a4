// Loses the power while lbsample records, at many points, and holds what is left to what was
// promised:
//   power-loss BINARY LIBRARY POINTS [SEED]
//   power-loss --again FOLDER NUMBER         one point of a folder that was kept, its files left
//
// Each scenario is recorded once, with the library preloaded: it logs what is written and flushed.
// A point is a place in such a log and one way in which a file system could have left the files
// there. The readers then have to open them. What was flushed before that place is promised; so is
// everything once a command has ended, stopped or not, and where the kernel writes what nobody
// flushes after some seconds, what is older than these and YOUNGEST. Every sample and every
// finished repetition that is shown has to be that of the recording, and a gap is to be said.
//
// LB_LOSS_BREAK=all, log or folders has the flushes of all files, of the logs or of folders do
// nothing: there have to be violations then. Without it some points are repeated with `all` in the
// end, to see that these are found.
#define _GNU_SOURCE
#include "world.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Nanoseconds after which the kernel has written what nobody flushed: half a minute by default on a
// real one, less here, for recordings to last longer. What the store moves from one file to another
// may be as old as YOUNGEST when it is written anew, with the time that a commit takes.
static const uint64_t age = 3000000000, youngest = 11000000000;
// CPU seconds and seconds that a reader may take.
enum { CPU_LIMIT = 2, LIMIT = 20 };
// The exit code of a reader that could not read all of a file, and its words.
enum { DAMAGED = 5 };
#define DAMAGE "cannot be read"

static const char *binary, *library;
static enum broken broken;

// MARK: Recording

enum ending { ENDS, STOPPED, KILLED };

struct scenario {
  const char *name;
  const char *arguments[24]; // NULL-terminated; @ stands for the folder
  enum ending ending;
  double seconds;             // until a signal
  const char *afterwards[8];  // what runs then, recorded too
};

#define SAMPLE "--cpu", "--net", "-i", "10ms", "--quiet", "--record", "@/run.lbsample"
#define RUN "run", "--cpu", "--net", "--quiet", "--runs-dir", "@/runs", "--config", "/dev/null"

static const struct scenario scenarios[] = {
  { .name = "sample", .arguments = { SAMPLE, "--count", "2000" } },
  { .name = "sample, often", .arguments = { "--all", "-i", "1ms", "--quiet", "--record",
      "@/run.lbsample", "--count", "4000" } },
  { .name = "sample, stopped", .arguments = { SAMPLE }, .ending = STOPPED, .seconds = 16 },
  { .name = "sample, killed and shown", .arguments = { SAMPLE }, .ending = KILLED, .seconds = 14,
    .afterwards = { "runs", "show", "@/run.lbsample" } },
  { .name = "run", .arguments = { RUN, "-r", "5", "--", "/bin/sleep", "0.3" } },
  { .name = "run, long", .arguments = { RUN, "-i", "10ms", "-r", "40", "--", "/bin/sleep",
      "0.4" } },
  { .name = "run, stopped", .arguments = { RUN, "-i", "10ms", "-r", "40", "--", "/bin/sleep",
      "0.4" }, .ending = STOPPED, .seconds = 5 },
  { .name = "run, killed and resumed", .arguments = { RUN, "-i", "10ms", "-r", "12", "--",
      "/bin/sleep", "1.5" }, .ending = KILLED, .seconds = 15.2,
    .afterwards = { "run", "--resume", "!", "--quiet", "--force" } },
  { .name = "arm", .arguments = { "arm", "--control", "@.socket", "--cpu", "--net", "--quiet",
      "--record", "@/run.lbsample" } },
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

static char *text(const char *format, ...) {
  va_list more;
  va_start(more, format);
  char *result;
  if (vasprintf(&result, format, more) < 0) fail("no memory");
  va_end(more);
  return result;
}

// A file below a folder whose name ends in .lbsample; NULL where there is none.
static char *resultBelow(const char *folder) {
  DIR *list = opendir(folder);
  if (!list) return NULL;
  char *found = NULL;
  for (struct dirent *one; !found && (one = readdir(list));) {
    if (one->d_name[0] == '.') continue;
    char *path = text("%s/%s", folder, one->d_name);
    size_t length = strlen(path);
    if (length > 9 && strcmp(path + length - 9, ".lbsample") == 0) found = path;
    else if (one->d_type == DT_DIR) found = resultBelow(path);
    if (found != path) free(path);
  }
  closedir(list);
  return found;
}

static pid_t begin(const char *const *arguments, const char *root, const char *log,
                   const char *out, const char *err) {
  const char *words[32] = { binary };
  for (int index = 0; arguments[index]; index++) {
    const char *word = arguments[index];
    words[index + 1] = word[0] == '@' ? text("%s%s", root, word + 1)
      : strcmp(word, "!") == 0 ? resultBelow(root) : word;
  }
  pid_t child = fork();
  if (child < 0) fail("fork: %s", strerror(errno));
  if (child > 0) return child;
  if (log) {
    setenv("LD_PRELOAD", library, 1);
    setenv("LB_LOSS_ROOT", root, 1);
    setenv("LB_LOSS_LOG", log, 1);
  }
  setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
  int flags = O_WRONLY | O_CREAT | O_TRUNC;
  if (freopen("/dev/null", "r", stdin) == NULL || dup2(open(out, flags, 0600), 1) < 0
      || dup2(open(err, flags, 0600), 2) < 0)
    _exit(126);
  execv(binary, (char *const *)words);
  _exit(127);
}

static void wait_for(double seconds) {
  struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };
  nanosleep(&time, NULL);
}

static void ask(int connection, const char *request, int mayEnd) {
  char answer[65536];
  if (write(connection, request, strlen(request)) < 0) fail("arm: it does not listen");
  for (size_t length = 0; length == 0 || answer[length - 1] != '\n';) {
    ssize_t part = read(connection, answer + length, sizeof answer - length - 1);
    if (part <= 0 && mayEnd) return;
    if (part <= 0) fail("arm: it does not answer %s", request);
    length += (size_t)part;
    answer[length] = 0;
    if (answer[length - 1] == '\n' && !strstr(answer, "\"ok\":true"))
      fail("arm: %s: %s", request, answer);
  }
}

static void useArmed(const char *socketPath) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  snprintf(address.sun_path, sizeof address.sun_path, "%s", socketPath);
  int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (int tries = 0; connect(connection, (void *)&address, sizeof address) != 0; tries++) {
    if (tries == 200) fail("arm: nobody listens at %s", socketPath);
    wait_for(0.05);
  }
  for (int bracket = 0; bracket < 5; bracket++) {
    ask(connection, "{\"request\":\"start\",\"label\":\"one\"}\n", 0);
    wait_for(0.2);
    ask(connection, "{\"request\":\"stop\"}\n", 0);
  }
  ask(connection, "{\"request\":\"disarm\"}\n", 1);
  close(connection);
}

static void noteExit(const char *log, int status, int isPromise) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  struct entry entry = {
    .operation = OP_EXIT, .flags = (uint32_t)status, .handle = (uint64_t)isPromise,
    .nanoseconds = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec,
  };
  int number = open(log, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (write(number, &entry, sizeof entry) != sizeof entry) fail("%s: %s", log, strerror(errno));
  close(number);
}

static int ended(pid_t child) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) fail("waitpid: %s", strerror(errno));
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void record(const struct scenario *scenario, const char *folder) {
  char *root = text("%s/files", folder), *log = text("%s/log", folder);
  char *out = text("%s/out", folder), *err = text("%s/err", folder);
  if (mkdir(folder, 0700) != 0 || mkdir(root, 0700) != 0)
    fail("%s: %s", root, strerror(errno));
  pid_t child = begin(scenario->arguments, root, log, out, err);
  if (strcmp(scenario->arguments[0], "arm") == 0) useArmed(text("%s.socket", root));
  if (scenario->ending != ENDS) {
    wait_for(scenario->seconds);
    kill(child, scenario->ending == STOPPED ? SIGINT : SIGKILL);
  }
  int code = ended(child);
  int expected = scenario->ending == ENDS ? 0 : scenario->ending == STOPPED ? 130 : 137;
  if (code != expected && !(scenario->ending == STOPPED && code == 0))
    fail("%s: exit code %d, see %s", scenario->name, code, err);
  noteExit(log, code, scenario->ending != KILLED);
  if (scenario->afterwards[0]) {
    code = ended(begin(scenario->afterwards, root, log, out, err));
    if (code != 0) fail("%s: afterwards exit code %d, see %s", scenario->name, code, err);
    noteExit(log, code, 1);
  }
}

// MARK: Reading

struct sample { uint64_t key, value; };

// What the readers say of a file.
struct reading {
  int show, export, table;        // exit codes; 128 + the signal
  struct sample *samples;         // by collector and time, in order of the file
  int sampleCount;
  struct { uint64_t collector; int count; } streams[64];
  int streamCount;
  uint64_t *repetitions;          // of those that were completed, the text
  int repetitionCount;
  int isComplete;                 // whether the run's status is completed
  char *words;                    // standard error of show and export
  const char *fault;              // a crash, or too long
};

static uint64_t mixed(uint64_t hash, const char *bytes, size_t length) {
  for (size_t index = 0; index < length; index++)
    hash = (hash ^ (uint8_t)bytes[index]) * 0x100000001B3;
  return hash;
}

static char *contents(const char *path, size_t *length) {
  int number = open(path, O_RDONLY | O_CLOEXEC);
  struct stat facts;
  if (number < 0 || fstat(number, &facts) != 0) fail("%s: %s", path, strerror(errno));
  char *bytes = malloc((size_t)facts.st_size + 1);
  if (!bytes) fail("no memory");
  ssize_t part, done = 0;
  while ((part = read(number, bytes + done, (size_t)(facts.st_size - done))) > 0) done += part;
  close(number);
  bytes[done] = 0;
  if (length) *length = (size_t)done;
  return bytes;
}

static void *more(void *array, int count, size_t size) {
  if (count & (count - 1)) return array;
  void *result = realloc(array, (count ? 2 * (size_t)count : 1) * size);
  if (!result) fail("no memory");
  return result;
}

// Samples out of NDJSON: collector and time name one, its values are what has to be the same.
static void takeSamples(struct reading *reading, const char *out) {
  for (const char *line = out; *line;) {
    const char *end = strchrnul(line, '\n');
    static const char begin[] = "{\"type\":\"sample\",\"collector\":\"";
    if (strncmp(line, begin, sizeof begin - 1) == 0) {
      const char *collector = line + sizeof begin - 1;
      const char *behind = strchr(collector, '"');
      const char *time = strstr(line, "\"time_ns\":"), *values = strstr(line, "\"values\":");
      if (!behind || !time || !values || values > end) fail("a sample is not as it should be");
      time += 10;
      uint64_t stream = mixed(0xCBF29CE484222325, collector, (size_t)(behind - collector));
      struct sample sample = {
        mixed(stream, time, strcspn(time, ",")), mixed(0, values, (size_t)(end - values)),
      };
      reading->samples = more(reading->samples, reading->sampleCount, sizeof sample);
      reading->samples[reading->sampleCount++] = sample;
      int place = 0;
      while (place < reading->streamCount && reading->streams[place].collector != stream) place++;
      if (place == reading->streamCount && place < 64)
        reading->streams[reading->streamCount++].collector = stream;
      if (place < 64) reading->streams[place].count++;
    }
    line = *end ? end + 1 : end;
  }
}

// The end of a JSON value's brackets.
static const char *closing(const char *place) {
  int depth = 0, isText = 0;
  for (; *place; place++) {
    if (isText) {
      if (*place == '\\') place++;
      else if (*place == '"') isText = 0;
    } else if (*place == '"') isText = 1;
    else if (*place == '{' || *place == '[') depth++;
    else if ((*place == '}' || *place == ']') && --depth == 0) return place + 1;
  }
  fail("JSON has no end");
}

// Repetitions out of `runs show --format json`, whose keys are in order and lines indented.
static void takeRepetitions(struct reading *reading, const char *out) {
  for (const char *place = out; (place = strstr(place, "\"repetitions\" : ["));) {
    place = strchr(place, '[') + 1;
    while ((place += strspn(place, " ,\n"))[0] == '{') {
      const char *end = closing(place);
      // Its own status is the last key but for its warm-up.
      const char *status = memrchr(place, ']', (size_t)(end - place));
      status = status ? strstr(status, "\"status\" : \"") : NULL;
      if (status && status < end && strncmp(status + 12, "completed\"", 10) == 0) {
        reading->repetitions =
          more(reading->repetitions, reading->repetitionCount, sizeof(uint64_t));
        reading->repetitions[reading->repetitionCount++] = mixed(0, place, (size_t)(end - place));
      }
      place = end;
    }
  }
  reading->isComplete = strstr(out, "\n  \"status\" : \"completed\"") != NULL;
}

static int run(struct reading *reading, const char *folder, const char *const *arguments) {
  char *out = text("%s.out", folder), *err = text("%s.err", folder);
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  pid_t child = begin(arguments, folder, NULL, out, err);
  int status;
  struct rusage usage;
  while (wait4(child, &status, WNOHANG, &usage) == 0) {
    wait_for(0.002);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - begun.tv_sec <= LIMIT) continue;
    kill(child, SIGKILL);
    reading->fault = "a reader hangs";
  }
  if (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec >= CPU_LIMIT)
    reading->fault = "a reader takes more than 2 s";
  if (WIFSIGNALED(status) && !reading->fault) reading->fault = "a reader crashes";
  char *words = contents(err, NULL);
  char *all = text("%s%s", reading->words ? reading->words : "", words);
  free(reading->words);
  free(words);
  reading->words = all;
  free(err);
  free(out);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// What could be read of a file of which something cannot is shown all the same.
static int opened(int code, const struct reading *reading) {
  return code == DAMAGED && strstr(reading->words, DAMAGE) ? 0 : code;
}

static void show(struct reading *reading, const char *folder, const char *path) {
  const char *const arguments[] = { "runs", "show", path, "--format", "json", NULL };
  reading->show = opened(run(reading, folder, arguments), reading);
  if (reading->show != 0) return;
  char *out = text("%s.out", folder), *bytes = contents(out, NULL);
  takeRepetitions(reading, bytes);
  free(bytes);
  free(out);
}

static void export(struct reading *reading, const char *folder, const char *path) {
  const char *const arguments[] = { "export", path, "--format", "ndjson", "--raw", NULL };
  reading->export = opened(run(reading, folder, arguments), reading);
  if (reading->export != 0) return;
  char *out = text("%s.out", folder), *bytes = contents(out, NULL);
  takeSamples(reading, bytes);
  free(bytes);
  free(out);
}

// What the readers say of the file in `folder`, whose name below it is `name`.
static struct reading readFiles(const char *folder, const char *name, int isExportFirst) {
  struct reading reading = { 0 };
  char *path = text("%s/%s", folder, name);
  if (isExportFirst) export(&reading, folder, path);
  show(&reading, folder, path);
  if (!isExportFirst) export(&reading, folder, path);
  const char *const arguments[] = { "export", path, "--format", "csv", NULL };
  reading.table = opened(run(&reading, folder, arguments), &reading);
  free(path);
  return reading;
}

static void discard(struct reading *reading) {
  free(reading->samples);
  free(reading->repetitions);
  free(reading->words);
}

// MARK: Points

struct recorded {
  struct log log;
  char *name;                // of its file below the folder
  struct reading whole;      // of all that was recorded
  struct sample *sorted;     // its samples by key
  int *order;                // of each of them, its place in its stream
  struct { int at; int hasNoTail; struct reading reading; } *promises;
  int promiseCount;
};

static int compare(const void *left, const void *right) {
  const struct sample *one = left, *other = right;
  return one->key < other->key ? -1 : one->key > other->key;
}

static void removeAll(const char *folder) {
  pid_t child = fork();
  if (child == 0) {
    execlp("rm", "rm", "-rf", folder, (char *)NULL);
    _exit(127);
  }
  if (ended(child) != 0) fail("%s: cannot be removed", folder);
}

static void isSame(const char *left, const char *right) {
  // An index of runs is a note of what they hold: readers do without it.
  const char *const words[] = { "diff", "-r", "-x", "*-shm", "-x", ".index*", left, right, NULL };
  pid_t child = fork();
  if (child == 0) {
    execvp("diff", (char *const *)words);
    _exit(127);
  }
  if (ended(child) != 0) fail("the log does not make the files that are there: %s", left);
}

static struct recorded prepare(const char *folder, const char *scratch) {
  char *root = text("%s/files", folder), *log = text("%s/log", folder);
  struct recorded recorded = { .log = readLog(log, root) };
  char *path = resultBelow(root);
  if (!path) fail("%s: nothing was recorded", root);
  recorded.name = strdup(path + strlen(root) + 1);
  free(path);
  mkdir(scratch, 0700);
  materialise(&recorded.log, recorded.log.count, (struct fate){ .loss = LOSS_NOTHING }, scratch);
  isSame(root, scratch);
  recorded.whole = readFiles(scratch, recorded.name, 0);
  removeAll(scratch);
  struct reading *whole = &recorded.whole;
  if (whole->fault || whole->show || whole->export || whole->sampleCount < 4
      || (whole->isComplete && whole->repetitionCount == 0))
    fail("%s: what was recorded cannot be read: %s", folder, whole->words);
  recorded.sorted = malloc((size_t)whole->sampleCount * sizeof(struct sample));
  memcpy(recorded.sorted, whole->samples, (size_t)whole->sampleCount * sizeof(struct sample));
  qsort(recorded.sorted, (size_t)whole->sampleCount, sizeof(struct sample), compare);
  free(root);
  free(log);
  return recorded;
}

static const struct sample *sampleOf(const struct sample *sorted, int count, uint64_t key) {
  struct sample wanted = { key, 0 };
  return bsearch(&wanted, sorted, (size_t)count, sizeof wanted, compare);
}

// What can be read when everything before step `at` is on the disk.
static const struct reading *promised(struct recorded *recorded, int at, int hasNoTail,
                                      const char *scratch) {
  for (int index = 0; index < recorded->promiseCount; index++)
    if (recorded->promises[index].at == at && recorded->promises[index].hasNoTail == hasNoTail)
      return &recorded->promises[index].reading;
  mkdir(scratch, 0700);
  materialise(&recorded->log, at,
              (struct fate){ .loss = LOSS_NOTHING, .hasNoTail = hasNoTail }, scratch);
  recorded->promises =
    more(recorded->promises, recorded->promiseCount, sizeof *recorded->promises);
  recorded->promises[recorded->promiseCount].at = at;
  recorded->promises[recorded->promiseCount].hasNoTail = hasNoTail;
  struct reading *reading = &recorded->promises[recorded->promiseCount++].reading;
  *reading = (struct reading){ 0 };
  char *path = text("%s/%s", scratch, recorded->name);
  show(reading, scratch, path);
  export(reading, scratch, path);
  free(path);
  removeAll(scratch);
  return reading;
}

static char *breach(const struct reading *is, const struct reading *promise, const char *what) {
  if (promise->show || promise->export) return NULL; // Nothing was there yet.
  if (is->show || is->export)
    return text("%s: the file does not open: %s", what, is->words);
  struct sample *sorted = malloc((size_t)(is->sampleCount + 1) * sizeof *sorted);
  if (is->sampleCount)
    memcpy(sorted, is->samples, (size_t)is->sampleCount * sizeof *sorted);
  qsort(sorted, (size_t)is->sampleCount, sizeof *sorted, compare);
  int missing = 0;
  for (int index = 0; index < promise->sampleCount; index++)
    missing += !sampleOf(sorted, is->sampleCount, promise->samples[index].key);
  free(sorted);
  if (missing) return text("%s: %d of %d samples are missing", what, missing, promise->sampleCount);
  for (int index = 0; index < promise->repetitionCount; index++) {
    int isThere = 0;
    for (int place = 0; place < is->repetitionCount; place++)
      isThere |= is->repetitions[place] == promise->repetitions[index];
    if (!isThere) return text("%s: finished repetition %d is missing", what, index + 1);
  }
  return NULL;
}

enum outcome { WHOLE, SAID, NOT_YET, VIOLATION };

// What is wrong with what is shown, promised or not; NULL for nothing.
static char *wrong(const struct recorded *recorded, const struct reading *is) {
  const struct reading *whole = &recorded->whole;
  if (is->fault) return strdup(is->fault);
  if (is->table != is->export)
    return text("exit code %d for csv and %d for ndjson", is->table, is->export);
  if ((is->show || is->export) && !strstr(is->words, "lbsample: "))
    return text("exit codes %d and %d without an error", is->show, is->export);
  for (int index = 0; index < is->sampleCount; index++) {
    const struct sample *original =
      sampleOf(recorded->sorted, whole->sampleCount, is->samples[index].key);
    if (!original) return text("sample %d was never taken", index + 1);
    if (original->value != is->samples[index].value)
      return text("sample %d has other values than were taken", index + 1);
  }
  for (int index = 0; index < is->repetitionCount; index++) {
    int isThere = 0;
    for (int place = 0; place < whole->repetitionCount; place++)
      isThere |= whole->repetitions[place] == is->repetitions[index];
    if (!isThere) return text("finished repetition %d is not what was measured", index + 1);
  }
  if (is->show == 0 && is->isComplete && whole->isComplete
      && (is->repetitionCount < whole->repetitionCount
          || (is->export == 0 && is->sampleCount < whole->sampleCount)))
    return text("the run is called completed, with %d of %d samples", is->sampleCount,
                whole->sampleCount);
  // Where one is missing in front of one that is there, something has to say so.
  if (is->export == 0 && is->show == 0 && is->sampleCount > 0) {
    int last = 0;
    while (last < whole->sampleCount
           && whole->samples[last].key != is->samples[is->sampleCount - 1].key)
      last++;
    // The newest of other collectors may be younger than that: a few samples.
    int missing = last + 1 - is->sampleCount;
    if (missing > 64 && !strstr(is->words, DAMAGE))
      return text("%d samples are missing in between, and nothing says so", missing);
  }
  return NULL;
}

static int pointOf(const struct log *log, uint64_t *seed) {
  uint64_t way = chance(seed) % 5;
  if (way == 0) return 1 + (int)(chance(seed) % (uint64_t)log->count);
  if (way <= 2) {
    uint64_t begin = log->steps[0].entry.nanoseconds;
    uint64_t span = log->steps[log->count - 1].entry.nanoseconds - begin;
    uint64_t moment = begin + chance(seed) % (span + 1);
    int at = 1;
    while (at < log->count && log->steps[at].entry.nanoseconds <= moment) at++;
    return at;
  }
  // Behind something that orders what is around it.
  for (int tries = 0; tries < 1000; tries++) {
    int at = (int)(chance(seed) % (uint64_t)log->count);
    uint32_t operation = log->steps[at].entry.operation;
    if (operation == OP_WRITE || operation == OP_OPEN) continue;
    at += 1 + (int)(chance(seed) % 6);
    return at < log->count ? at : log->count;
  }
  return log->count;
}

// How much is said of a point.
enum words { QUIET, FAULTS, EVERYTHING };

static enum outcome check(struct recorded *all, uint64_t seed, int number, const char *folder,
                          enum words words) {
  uint64_t own = seed ^ (uint64_t)number * 0x9E6C63D0876A9A47;
  int place = (int)(chance(&own) % SCENARIOS);
  struct recorded *recorded = &all[place];
  int at = pointOf(&recorded->log, &own);
  struct fate fate = {
    .loss = (enum loss)(chance(&own) % LOSSES), .isJournal = (int)(chance(&own) % 2),
    .broken = broken, .age = age, .seed = chance(&own),
  };
  int isExportFirst = (int)(chance(&own) % 2);
  char *files = text("%s/point", folder), *scratch = text("%s/promise", folder);
  mkdir(files, 0700);
  materialise(&recorded->log, at, fate, files);
  if (words == EVERYTHING) {
    char *copy = text("cp -a '%s' '%s/point-%d'", files, folder, number);
    if (system(copy) != 0) fail("%s", copy);
    free(copy);
  }
  struct reading is = readFiles(files, recorded->name, isExportFirst);
  removeAll(files);
  char *fault = wrong(recorded, &is);
  int log = lastFlush(&recorded->log, at, "-wal");
  int main = lastFlush(&recorded->log, at, ".lbsample");
  int flushed = log > main ? log : main;
  if (!fault && flushed >= 0)
    fault = breach(&is, promised(recorded, flushed + 1, 1, scratch), "flushed");
  int exit = at - 1;
  while (exit >= 0
         && !(recorded->log.steps[exit].entry.operation == OP_EXIT
              && recorded->log.steps[exit].entry.handle))
    exit--;
  if (!fault && exit >= 0)
    fault = breach(&is, promised(recorded, exit + 1, 0, scratch), "ended");
  if (!fault && exit == recorded->log.count - 1 && strstr(is.words, DAMAGE))
    fault = text("ended: nothing is lost, and a loss is told: %s", is.words);
  if (!fault && fate.loss == LOSS_RECENT) {
    uint64_t now = recorded->log.steps[at - 1].entry.nanoseconds;
    int old = at;
    while (old > 0
           && recorded->log.steps[old - 1].entry.nanoseconds + age + youngest >= now)
      old--;
    if (old > 0) fault = breach(&is, promised(recorded, old, 0, scratch), "old");
  }
  int isWhole = is.show == 0 && is.export == 0 && is.sampleCount == recorded->whole.sampleCount
    && is.repetitionCount == recorded->whole.repetitionCount;
  if ((fault && words == FAULTS) || words == EVERYTHING) {
    printf("point %d: %s, before step %d of %d, %s%s: %s\n", number, scenarios[place].name, at,
           recorded->log.count, lossNames[fate.loss], fate.isJournal ? " (journal)" : "",
           fault ? fault : isWhole ? "whole" : "a loss, said");
    if (words == EVERYTHING)
      printf("  %d of %d samples, %d of %d repetitions, exit codes %d and %d\n  %s\n",
             is.sampleCount, recorded->whole.sampleCount, is.repetitionCount,
             recorded->whole.repetitionCount, is.show, is.export, is.words);
    fflush(stdout);
  }
  enum outcome outcome = fault ? VIOLATION : isWhole ? WHOLE : is.show ? NOT_YET : SAID;
  free(fault);
  free(files);
  free(scratch);
  discard(&is);
  return outcome;
}

int main(int count, char **arguments) {
  const char *word = getenv("LB_LOSS_BREAK");
  broken = !word ? BROKEN_NOTHING : strcmp(word, "all") == 0 ? BROKEN_ALL
    : strcmp(word, "log") == 0 ? BROKEN_LOG : strcmp(word, "folders") == 0 ? BROKEN_FOLDERS
    : (fail("LB_LOSS_BREAK is all, log or folders"), 0);
  int isAgain = count == 4 && strcmp(arguments[1], "--again") == 0;
  if (!isAgain && count != 4 && count != 5)
    fail("power-loss BINARY LIBRARY POINTS [SEED], or power-loss --again FOLDER NUMBER");
  char folder[PATH_MAX];
  int points = 0;
  uint64_t seed;
  if (isAgain) {
    snprintf(folder, sizeof folder, "%s", arguments[2]);
    char *path = text("%s/made", folder), *made = contents(path, NULL);
    char *line = strchr(made, '\n');
    seed = strtoull(made, NULL, 10);
    binary = strdup(line + 1);
  } else {
    if (!(binary = realpath(arguments[1], NULL))) fail("%s: %s", arguments[1], strerror(errno));
    if (!(library = realpath(arguments[2], NULL))) fail("%s: %s", arguments[2], strerror(errno));
    points = atoi(arguments[3]);
    seed = count == 5 ? strtoull(arguments[4], NULL, 10) : (uint64_t)time(NULL);
    // In memory where there is room: the disk is simulated.
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/lbsample-loss-XXXXXX", parent);
    if (!mkdtemp(folder)) fail("%s: %s", folder, strerror(errno));
    char *path = text("%s/made", folder);
    FILE *made = fopen(path, "w");
    if (!made) fail("%s: %s", path, strerror(errno));
    fprintf(made, "%llu\n%s", (unsigned long long)seed, binary);
    fclose(made);
    pid_t children[SCENARIOS];
    for (int index = 0; index < SCENARIOS; index++) {
      children[index] = fork();
      if (children[index] == 0) {
        record(&scenarios[index], text("%s/%d", folder, index));
        _exit(0);
      }
    }
    for (int index = 0; index < SCENARIOS; index++)
      if (ended(children[index]) != 0) fail("%s: not recorded", scenarios[index].name);
  }
  struct recorded recorded[SCENARIOS];
  for (int index = 0; index < SCENARIOS; index++)
    recorded[index] = prepare(text("%s/%d", folder, index), text("%s/whole", folder));
  if (isAgain) return check(recorded, seed, atoi(arguments[3]), folder, EVERYTHING) == VIOLATION;
  int outcomes[4] = { 0 };
  for (int number = 1; number <= points; number++)
    outcomes[check(recorded, seed, number, folder, FAULTS)]++;
  printf("%d points of %d recordings (seed %llu): %d files whole, %d with a loss that was said, "
         "%d not there yet, %d violations\n", points, SCENARIOS, (unsigned long long)seed,
         outcomes[WHOLE], outcomes[SAID], outcomes[NOT_YET], outcomes[VIOLATION]);
  if (outcomes[VIOLATION]) {
    printf("%s is kept: %s --again %s NUMBER leaves the files of a point there\n", folder,
           arguments[0], folder);
    return 1;
  }
  int isFound = broken != BROKEN_NOTHING;
  broken = BROKEN_ALL;
  for (int number = 1; number <= 200 && !isFound; number++) {
    isFound = check(recorded, seed, number, folder, QUIET) == VIOLATION;
    if (isFound) printf("where flushes do nothing, point %d is a violation, as it has to be\n",
                        number);
  }
  removeAll(folder);
  if (!isFound) fail("where flushes do nothing, no violation is found");
  return 0;
}
