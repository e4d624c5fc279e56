#include "pool/buffer_shelf.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace weir::pool {
namespace {

TEST(BufferShelf, GivesTheOneThatWasUsedLast) {
    buffer_shelf shelf{100};
    auto one = shelf.take();
    auto other = shelf.take();
    const char* const last = other.get();
    shelf.give_back(std::move(one));
    shelf.give_back(std::move(other));
    EXPECT_EQ(shelf.count(), 2U);
    EXPECT_EQ(shelf.take().get(), last);
    EXPECT_EQ(shelf.count(), 1U);
}

TEST(BufferShelf, DoesNotKeepBuffersWithoutLimit) {
    buffer_shelf shelf{64 * 1024};
    std::vector<buffer_shelf::buffer> out;
    for (int i = 0; i < 100; ++i)
        out.push_back(shelf.take());
    for (auto& one : out)
        shelf.give_back(std::move(one));
    EXPECT_EQ(shelf.count(), 8U);
}

}  // namespace
}  // namespace weir::pool
