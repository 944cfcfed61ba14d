#pragma once
#include <mongoc/mongoc.h>

_Static_assert(MONGOC_CHECK_VERSION(1, 23, 0), "cairn is tested from libmongoc 1.23 (Debian 12) on");
