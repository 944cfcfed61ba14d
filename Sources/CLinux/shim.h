#pragma once
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/random.h>

/* prctl is variadic, which Swift does not import; pthread_setname_np hides behind _GNU_SOURCE. */
static inline void cairn_name_this_thread(const char *name) { (void)prctl(PR_SET_NAME, name, 0, 0, 0); }

/* fcntl is variadic, and O_DIRECT (a number that differs between architectures) hides behind _GNU_SOURCE. -1 when the
 * file system refuses. */
static inline int cairn_set_direct(int file, int direct) {
    int flags = fcntl(file, F_GETFL);
    if (flags < 0 || fcntl(file, F_SETFL, direct ? flags | __O_DIRECT : flags & ~__O_DIRECT) < 0) return -1;
    return 0;
}
