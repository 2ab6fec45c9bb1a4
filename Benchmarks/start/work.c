// A program that does a given number of rounds of work and nothing else: `work 0` is an empty one.
#include <stdint.h>
#include <stdlib.h>

int main(int count, char **arguments) {
  uint64_t rounds = count > 1 ? strtoull(arguments[1], NULL, 10) : 0;
  uint64_t state = 88172645463325252u;
  for (uint64_t round = 0; round < rounds; round++) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return state == 0;
}
