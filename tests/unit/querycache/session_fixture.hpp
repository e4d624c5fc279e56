// One client that writes, `a`, and one that reads, `b`, of a cache with one rule: what the tests of
// cache_session share. Not for other folders.
#pragma once

#include "querycache/session.hpp"
#include "tests/unit/querycache/world.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::querycache::test {

inline const facts_ptr read_t = share(reading({"t"}));

class session_of_client : public ::testing::Test {
protected:
    /// Proves that b's read of t is a hit.
    void prove_hit() {
        (void)b.read(read_t, "select t");
        ASSERT_EQ(b.read(read_t, "select t"), "hit");
    }
    std::string b_reads() { return b.read(read_t, "select t"); }
    void expect_settled() {
        auto& v = w.database.versions();
        for (auto* slot : v.slots())
            EXPECT_EQ(slot->pending(), 0U);
        EXPECT_EQ(v.everything()->pending(), 0U);
        EXPECT_EQ(v.catalog()->pending(), 0U);
    }

    world w;
    client a{w}, b{w};
};

}  // namespace weir::querycache::test
