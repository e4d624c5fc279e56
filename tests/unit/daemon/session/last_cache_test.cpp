#include "daemon/session/last_cache.hpp"

#include "protocol/frame.hpp"
#include "protocol/row.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::daemon {
namespace {

TEST(LastCache, IsAskedInAnyCaseAndWithBlanks) {
    for (const auto* text :
         {"SHOW LAST CACHE",
          "show last cache;",
          "\n Show\tLast  CACHE ; ",
          "show last cache ;\n"}) {
        EXPECT_TRUE(last_cache::is_asked_by(text)) << text;
    }
}

TEST(LastCache, IsNotAskedByAnythingElse) {
    for (const std::string& text : std::vector<std::string>{
             "",
             ";",
             " ",
             "SHOW",
             "SHOW LAST",
             "SHOW LASTCACHE",
             "SHOW LAST CACHES",
             "SHOW LAST CACHE x",
             "SHOW LAST CACHE; SELECT 1",
             "SHOW LAST CACHE;;",
             "SELECT 1",
             "SHOW LAST CACHE" + std::string(100, ' ')}) {
        EXPECT_FALSE(last_cache::is_asked_by(text)) << text;
    }
}

/// The values of the DataRow, "-" for NULL.
std::vector<std::string> row_of(const last_cache& last) {
    std::string out;
    last.write_row(out, nullptr);
    protocol::frame_header header;
    EXPECT_EQ(protocol::parse_backend_header(out, header), protocol::header_result::complete);
    EXPECT_EQ(header.type, 'D');
    protocol::data_row row;
    EXPECT_FALSE(protocol::decode(
        std::string_view(out).substr(protocol::frame_header_size, header.body_size()), row
    ));
    std::vector<std::string> values;
    for (const auto& value : row.values)
        values.emplace_back(value.value_or("-"));
    return values;
}

TEST(LastCache, TellsOfTheLastStatementAlone) {
    using words = std::vector<std::string>;
    last_cache last;
    EXPECT_EQ(row_of(last), (words{"none", "-", "-", "-", "-"}));
    auto facts = std::make_shared<querycache::sql::statement>();
    facts->reads = {{"s", "t"}, {"", "u"}};
    querycache::decision decision;
    decision.rule = "goods";
    decision.reason = querycache::bypass_reason::in_transaction;
    last.note_decision(decision, facts);
    EXPECT_EQ(row_of(last), (words{"bypass", "goods", "in_transaction", "-", "s.t, u"}));
    decision = {};
    decision.reason = querycache::bypass_reason::no_rule;
    last.note_decision(decision, nullptr);
    EXPECT_EQ(row_of(last), (words{"none", "-", "no_rule", "-", "-"}));
    last.note_unwatched(querycache::bypass_reason::catalog_missing, facts);
    EXPECT_EQ(row_of(last), (words{"none", "-", "catalog_missing", "-", "s.t, u"}));
}

}  // namespace
}  // namespace weir::daemon
