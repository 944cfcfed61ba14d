#pragma once

/// The calls of malloc, calloc, realloc, posix_memalign and aligned_alloc of this process so far, by all threads.
long cairn_allocations(void);
