// What the preloaded library writes for each operation and the simulation reads: a `struct entry`,
// then both paths and the data. Host byte order: both run on one machine.
#pragma once
#include <stdint.h>

enum operation {
  OP_OPEN = 1,   // path, `handle` names the descriptor from here on; `flags` are open(2)'s
  OP_WRITE,      // `handle`, `offset`, data
  OP_TRUNCATE,   // `handle`, `offset` is the new size
  OP_ALLOCATE,   // `handle`, `offset` is the size that the file has at least
  OP_SYNC,       // `handle`: fsync or fdatasync has returned
  OP_RENAME,     // path, other
  OP_LINK,       // path, other
  OP_UNLINK,     // path
  OP_MKDIR,      // path
  OP_RMDIR,      // path
  OP_UNMODELLED, // path: a way of writing that the simulation does not know; `other` names it
  OP_EXIT,       // a command has ended, `flags` is its exit code; written by the simulation
};

struct entry {
  uint32_t operation;
  uint32_t flags;
  uint64_t handle;
  uint64_t offset;
  uint64_t nanoseconds; // CLOCK_MONOTONIC
  uint32_t path;        // bytes of each, behind the entry
  uint32_t other;
  uint64_t data;
};
