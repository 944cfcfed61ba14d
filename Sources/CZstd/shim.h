#pragma once
#include <zstd.h>

_Static_assert(ZSTD_VERSION_NUMBER >= 10400, "cairn uses ZSTD_CCtx_setParameter and ZSTD_compress2 (zstd 1.4.0)");
