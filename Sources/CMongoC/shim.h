#pragma once
#include <malloc.h>
#include <mongoc/mongoc.h>

_Static_assert(MONGOC_CHECK_VERSION(1, 23, 0), "cairn is tested from libmongoc 1.23 (Debian 12) on");

/* Swift sees 4 as the alignment of bson_t; memory for one is allocated with these. */
enum { CAIRN_BSON_SIZE = sizeof(bson_t), CAIRN_BSON_ALIGNMENT = _Alignof(bson_t) };

/* The message is an array inside the struct, which Swift imports as a tuple of 504 elements. */
static inline const char *cairn_error_message(const bson_error_t *error) { return error->message; }

/* The host list is a struct with arrays inside, imported as tuples. */
static inline const char *cairn_host_and_port(const mongoc_host_list_t *host) { return host->host_and_port; }
