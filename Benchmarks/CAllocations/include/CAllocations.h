// Counts what is allocated: the allocator's functions with a counter in front.
#ifndef LB_CALLOCATIONS_H
#define LB_CALLOCATIONS_H

#include <stdint.h>

// Allocations of this thread so far, those that grew counted again.
uint64_t lb_allocations(void);

#endif
