#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

_Static_assert(OPENSSL_VERSION_MAJOR >= 3, "cairn uses EVP_MAC and EVP_KDF (OpenSSL 3.0)");
