#pragma once
#include <curl/curl.h>

_Static_assert(LIBCURL_VERSION_NUM >= 0x075800, "cairn is tested from libcurl 7.88 (Debian 12) on");

/* Swift cannot call variadic functions: one function for each type of argument. */
static inline CURLcode cairn_curl_set_long(CURL *handle, CURLoption option, long value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode cairn_curl_set_size(CURL *handle, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(handle, option, value);
}

static inline CURLcode cairn_curl_set_pointer(CURL *handle, CURLoption option, const void *value) {
    return curl_easy_setopt(handle, option, value);
}

typedef size_t (*cairn_curl_receiver)(char *bytes, size_t size, size_t count, void *context);

static inline CURLcode cairn_curl_set_receiver(CURL *handle, CURLoption option, cairn_curl_receiver receiver) {
    return curl_easy_setopt(handle, option, receiver);
}

typedef int (*cairn_curl_observer)(void *context, char *peer, char *own, int peerPort, int ownPort);

static inline CURLcode cairn_curl_set_observer(CURL *handle, CURLoption option, cairn_curl_observer observer) {
    return curl_easy_setopt(handle, option, observer);
}

static inline CURLcode cairn_curl_get_long(CURL *handle, CURLINFO info, long *value) {
    return curl_easy_getinfo(handle, info, value);
}

/* Macros with casts are not imported. */
static const long cairn_curl_auth_digest = (long)CURLAUTH_DIGEST;
