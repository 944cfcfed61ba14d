#pragma once
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

_Static_assert(OPENSSL_VERSION_MAJOR >= 3, "cairn uses EVP_MAC and EVP_KDF (OpenSSL 3.0)");

/* An OSSL_PARAM keeps the pointer to its name. The names are string macros, which Swift imports as String: the
 * pointer that it passes for one is gone when the call returns. Parameter lists are therefore built here. */
static inline int cairn_hmac_sha256_key(EVP_MAC_CTX *context, const unsigned char *key, size_t key_size) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(context, key, key_size, parameters);
}

static inline int cairn_hkdf_sha256(EVP_KDF_CTX *context, const void *key, size_t key_size, const void *salt,
                                    size_t salt_size, const void *info, size_t info_size, unsigned char *output,
                                    size_t output_size) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_size),
        OSSL_PARAM_construct_end(),
    };
    return EVP_KDF_derive(context, output, output_size, parameters);
}
