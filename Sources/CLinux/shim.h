#pragma once
#include <sys/prctl.h>
#include <sys/random.h>

/* prctl is variadic, which Swift does not import; pthread_setname_np hides behind _GNU_SOURCE. */
static inline void cairn_name_this_thread(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }
