// A directory as its operations made it, and as a file system could have left it.
#pragma once
#include "log.h"
#include <stddef.h>

struct step { // one entry of the log
  struct entry entry;
  char *path, *other;
  const uint8_t *data;
};

struct log {
  char *root; // the directory that was recorded
  struct step *steps;
  int count;
};

// What became of what was not flushed.
enum loss {
  LOSS_NOTHING,     // all of it is there
  LOSS_EVERYTHING,  // none of it is
  LOSS_DATA,        // names and sizes are there, the new parts of files are zeros
  LOSS_BEHIND,      // it is there up to some operation, and not behind that
  LOSS_SECTORS,     // by chance for each 512 bytes of each write
  LOSS_PAGES,       // by chance for each 4,096 bytes of each write
  LOSS_FILES,       // by chance for each file
  LOSS_RECENT,      // what is older than `age` is there, of the rest pages by chance
  LOSSES
};
extern const char *const lossNames[LOSSES];

// Which flushes do nothing: to see that it is noticed.
enum broken { BROKEN_NOTHING, BROKEN_ALL, BROKEN_LOG, BROKEN_FOLDERS };

struct fate {
  enum loss loss;
  int isJournal; // a flush of one file flushes the changes of names before it, as ext4 and XFS do
  int hasNoTail; // files that end in -tail are left out
  enum broken broken;
  uint64_t age;
  uint64_t seed;
};

uint64_t chance(uint64_t *seed);
struct log readLog(const char *path, const char *root);
/// Writes the files as they are before step `at` into the directory `out`, which is empty.
void materialise(const struct log *log, int at, struct fate fate, const char *out);
/// The last step before `at` that flushed a file whose name ends in `suffix`; -1 for none.
int lastFlush(const struct log *log, int at, const char *suffix);
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
