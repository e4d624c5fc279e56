#define XXH_INLINE_ALL
#include "querycache/sql/lexer.hpp"

#include <xxhash.h>

namespace weir::querycache::sql {

hash128 keyed_hash(std::string_view bytes, const hash_key& key) {
    const XXH128_hash_t hash =
        XXH3_128bits_withSecret(bytes.data(), bytes.size(), key.secret.data(), key.secret.size());
    return {hash.low64, hash.high64};
}

std::uint64_t fingerprint_of(std::string_view skeleton) {
    return XXH3_64bits(skeleton.data(), skeleton.size());
}

}  // namespace weir::querycache::sql
