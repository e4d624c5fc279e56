#include "daemon/session/open_portals.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace weir::daemon {
namespace {

text_facts facts(std::string_view text) {
    auto statement = std::make_shared<querycache::sql::statement>();
    statement->normalised = text;
    text_facts made;
    made.statement = std::move(statement);
    return made;
}
std::string_view text_of(const open_portals::execution& one) {
    return one.facts.statement ? std::string_view{one.facts.statement->normalised}
                               : std::string_view{};
}

TEST(OpenPortals, TheUnnamedOneIsExecutedOnceWhole) {
    open_portals portals;
    portals.bind("", facts("a"));
    const auto first = portals.execute("");
    EXPECT_EQ(text_of(first), "a");
    EXPECT_FALSE(first.may_be_rest);
    const auto second = portals.execute("");
    EXPECT_EQ(text_of(second), "");
    EXPECT_TRUE(second.may_be_rest);
    ASSERT_TRUE(second.rest) << "or its rest would count as a write to anything";
    EXPECT_EQ(second.rest->normalised, "a");
    portals.bind("", facts("b"));
    (void)portals.execute("");
    EXPECT_EQ(portals.execute("").rest->normalised, "b");
    portals.on_transaction_end();
    EXPECT_FALSE(portals.execute("").rest);
}

TEST(OpenPortals, TheUnnamedOneHasMoreUntilAllOfItIsAskedFor) {
    open_portals portals;
    EXPECT_FALSE(portals.unnamed_has_more());
    portals.bind("p", facts("a"));
    EXPECT_FALSE(portals.unnamed_has_more());
    portals.bind("", facts("a"));
    EXPECT_TRUE(portals.unnamed_has_more());
    (void)portals.execute("", false);
    (void)portals.execute("p", true);
    EXPECT_TRUE(portals.unnamed_has_more());
    (void)portals.execute("", true);
    EXPECT_FALSE(portals.unnamed_has_more());
    portals.bind("", facts("b"));
    portals.on_transaction_end();
    EXPECT_FALSE(portals.unnamed_has_more());
}

TEST(OpenPortals, ANamedOneIsFetchedFromUntilTheTransactionEnds) {
    open_portals portals;
    portals.bind("p", facts("a"));
    for (int i = 0; i < 2; ++i) {
        const auto one = portals.execute("p");
        EXPECT_EQ(text_of(one), "a");
        EXPECT_TRUE(one.may_be_rest);
    }
    portals.on_transaction_end();
    const auto gone = portals.execute("p");
    EXPECT_EQ(text_of(gone), "");
    EXPECT_FALSE(gone.may_be_rest);
}

TEST(OpenPortals, CloseForgetsThatOneAlone) {
    open_portals portals;
    portals.bind("", facts("a"));
    portals.bind("p", facts("b"));
    portals.bind("q", facts("c"));
    portals.close("p");
    portals.close("");
    EXPECT_EQ(text_of(portals.execute("p")), "");
    EXPECT_EQ(text_of(portals.execute("q")), "c");
    EXPECT_EQ(text_of(portals.execute("")), "a");
}

}  // namespace
}  // namespace weir::daemon
