#include "pool/result_shape.hpp"

#include "protocol/bytes.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace weir::pool {
namespace {

constexpr result_shape not_read = 2;

}  // namespace

result_shape shape_of(std::string_view row_description) noexcept {
    constexpr std::size_t origin_size = 4 + 2;    // table and column
    constexpr std::size_t type_size = 4 + 2 + 4;  // type, size, modifier
    constexpr std::size_t format_size = 2;
    protocol::reader in(row_description);
    const auto columns = in.u16();
    result_shape shape = columns;
    for (unsigned i = 0; i < columns && !in.failed(); ++i) {
        const auto name = in.cstring();
        (void)in.bytes(origin_size);
        const auto type = in.bytes(type_size);
        (void)in.bytes(format_size);
        shape = XXH3_64bits_withSeed(name.data(), name.size(), shape);
        shape = XXH3_64bits_withSeed(type.data(), type.size(), shape);
    }
    if (in.finish()) return not_read;
    return shape > not_read ? shape : shape + not_read + 1;
}

}  // namespace weir::pool
