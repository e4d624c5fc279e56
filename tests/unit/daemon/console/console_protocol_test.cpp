#include "daemon/console/console_protocol.hpp"

#include "protocol/error_fields.hpp"
#include "protocol/frame.hpp"
#include "protocol/query.hpp"
#include "protocol/row.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weir::daemon::console {
namespace {

using wish = console_protocol::wish;

struct message {
    char type;
    std::string body;
};

std::vector<message> take_apart(std::string_view bytes) {
    std::vector<message> all;
    while (!bytes.empty()) {
        protocol::frame_header header;
        if (protocol::parse_backend_header(bytes, header) != protocol::header_result::complete) {
            ADD_FAILURE() << "malformed frame";
            break;
        }
        all.push_back({header.type, std::string{bytes.substr(5, header.body_size())}});
        bytes.remove_prefix(header.size());
    }
    return all;
}

/// A client that talks to a console whose commands all answer the same.
struct conversation {
    console_protocol console{true};
    std::string out;
    std::vector<std::string> ran;
    result answer = result::of_rows({{text("a"), number(1)}});

    wish say(std::string_view frame) {
        const auto wanted = console.on_message(frame[0], frame.substr(5), out);
        return finish(wanted);
    }
    wish finish(wish wanted) {
        while (wanted == wish::run) {
            ran.emplace_back(console.running().entry->name);
            result r = answer;
            r.rows.clear();
            for (const auto& one : answer.rows) {
                row fitted = one;
                fitted.resize(console.running().columns().size());
                if (!fitted.empty()) r.rows.push_back(std::move(fitted));
            }
            wanted = console.on_result(std::move(r), out);
        }
        return wanted;
    }
    wish query(std::string_view sql) {
        std::string frame;
        protocol::write_query(frame, sql);
        return say(frame);
    }
    wish parse(std::string_view name, std::string_view sql) {
        std::string frame;
        protocol::write_parse(frame, name, {name, sql, {}});
        return say(frame);
    }
    /// `tail` after the names; by default no parameters, all in text.
    wish bind(
        std::string_view portal,
        std::string_view statement,
        std::string_view tail = {"\0\0\0\0\0\0", 6}
    ) {
        std::string frame;
        protocol::write_bind(frame, portal, statement, tail);
        return say(frame);
    }
    wish describe(char kind, std::string_view name) {
        std::string frame;
        protocol::write_describe(frame, kind, name);
        return say(frame);
    }
    wish execute(std::string_view portal, std::int32_t rows = 0) {
        std::string frame;
        protocol::write_execute(frame, portal, rows);
        return say(frame);
    }
    wish close(char kind, std::string_view name) {
        std::string frame;
        protocol::write_close(frame, kind, name);
        return say(frame);
    }
    wish sync() {
        std::string frame;
        protocol::write_sync(frame);
        return say(frame);
    }

    /// The types of what has come since the last call.
    std::string types() {
        std::string all;
        for (const auto& one : take_apart(out))
            all += one.type;
        out.clear();
        return all;
    }
    /// SQLSTATE of the first error that has come.
    std::string sqlstate() const {
        for (const auto& one : take_apart(out)) {
            if (one.type == 'E') return std::string{protocol::find_sqlstate(one.body)};
        }
        return "";
    }
    std::string body_of(char type) const {
        for (const auto& one : take_apart(out)) {
            if (one.type == type) return one.body;
        }
        return "";
    }
};

TEST(SimpleQuery, AnswersRowsTagAndReady) {
    conversation c;
    EXPECT_EQ(c.query("SHOW STATE"), wish::next);
    EXPECT_EQ(c.body_of('C'), std::string("SHOW\0", 5));
    EXPECT_EQ(c.body_of('Z'), "I");
    EXPECT_EQ(c.types(), "TDCZ");
}

TEST(SimpleQuery, AnswersATagAloneWithoutColumns) {
    conversation c;
    c.answer = {};
    c.answer.tag = "INVALIDATE 3";
    c.query("INVALIDATE ALL");
    EXPECT_EQ(c.body_of('C'), std::string("INVALIDATE 3\0", 13));
    EXPECT_EQ(c.types(), "CZ");
}

TEST(SimpleQuery, RunsStatementsInOrder) {
    conversation c;
    c.query("SHOW STATE; RELOAD; SHOW VERSION;");
    EXPECT_EQ(c.ran, (std::vector<std::string>{"SHOW STATE", "RELOAD", "SHOW VERSION"}));
    EXPECT_EQ(c.types(), "TDCCTDCZ");
}

TEST(SimpleQuery, RunsNothingWhenAStatementIsNotUnderstood) {
    conversation c;
    c.query("RELOAD; SHOW NOTHING");
    EXPECT_TRUE(c.ran.empty());
    EXPECT_EQ(c.sqlstate(), "42601");
    EXPECT_EQ(c.types(), "EZ");
}

TEST(SimpleQuery, StopsAtAnError) {
    conversation c;
    c.answer = result::of_error(make_error("3D000", "no", "remedy"));
    c.query("RELOAD; RELOAD");
    EXPECT_EQ(c.ran.size(), 1U);
    EXPECT_EQ(c.types(), "EZ");
}

TEST(SimpleQuery, BoundsStatements) {
    conversation c;
    std::string text;
    for (std::size_t i = 0; i <= console_protocol::most_statements; ++i)
        text += "SHOW STATE;";
    c.query(text);
    EXPECT_EQ(c.sqlstate(), "54000");
    EXPECT_EQ(c.types(), "EZ");
}

TEST(SimpleQuery, AnswersTheEmptyQuery) {
    conversation c;
    c.query(" ; -- nothing");
    EXPECT_EQ(c.types(), "IZ");
}

TEST(SimpleQuery, SendsNoticesFirst) {
    conversation c;
    c.answer.notices.push_back({"WARNING", "beware", "", ""});
    c.query("SHOW STATE");
    EXPECT_EQ(c.types(), "NTDCZ");
}

TEST(SimpleQuery, ClosesOnAMalformedBody) {
    conversation c;
    EXPECT_EQ(c.say(std::string("Q\0\0\0\5x", 6)), wish::close);
    EXPECT_EQ(c.sqlstate(), "08P01");
}

TEST(SimpleQuery, RefusesAStatsUser) {
    conversation c;
    c.console = console_protocol{false};
    c.query("RELOAD");
    EXPECT_EQ(c.sqlstate(), "42501");
}

TEST(ExtendedQuery, DescribesBeforeItRuns) {
    conversation c;
    c.parse("s", "SHOW STATE");
    c.describe('S', "s");
    EXPECT_TRUE(c.ran.empty());
    c.bind("", "s");
    c.describe('P', "");
    c.execute("");
    c.sync();
    EXPECT_EQ(c.ran.size(), 1U);
    EXPECT_EQ(c.types(), "1tT2TDCZ");
}

TEST(ExtendedQuery, DescribesNoDataForCommands) {
    conversation c;
    c.parse("", "RELOAD");
    c.bind("", "");
    c.describe('P', "");
    c.execute("");
    c.sync();
    EXPECT_EQ(c.types(), "12nCZ");
}

TEST(ExtendedQuery, RunsAStatementAgainAndAgain) {
    conversation c;
    c.parse("s", "SHOW STATE");
    for (int i = 0; i < 3; ++i) {
        c.bind("", "s");
        c.execute("");
        c.sync();
    }
    EXPECT_EQ(c.ran.size(), 3U);
    EXPECT_EQ(c.types(), "12DCZ2DCZ2DCZ");
}

TEST(ExtendedQuery, SkipsToSyncAfterAnError) {
    conversation c;
    c.parse("", "SHOW NOTHING");
    c.bind("", "");
    c.execute("");
    EXPECT_EQ(c.types(), "E");
    c.sync();
    c.query("SHOW STATE");
    EXPECT_EQ(c.types(), "ZTDCZ");
}

TEST(ExtendedQuery, SkipsToSyncAfterAFailedCommand) {
    conversation c;
    c.answer = result::of_error(make_error("3D000", "no", "remedy"));
    c.parse("", "RELOAD");
    c.bind("", "");
    c.execute("");
    c.execute("");
    c.sync();
    EXPECT_EQ(c.types(), "12EZ");
}

TEST(ExtendedQuery, RefusesUnknownNames) {
    conversation c;
    c.bind("", "none");
    EXPECT_EQ(c.sqlstate(), "26000");
    c.sync();
    c.out.clear();
    c.describe('S', "none");
    EXPECT_EQ(c.sqlstate(), "26000");
    c.sync();
    c.out.clear();
    c.describe('P', "none");
    EXPECT_EQ(c.sqlstate(), "34000");
    c.sync();
    c.out.clear();
    c.execute("none");
    EXPECT_EQ(c.sqlstate(), "34000");
    c.sync();
    c.out.clear();
    c.close('S', "none");  // is no error in PostgreSQL
    EXPECT_EQ(c.types(), "3");
}

TEST(ExtendedQuery, RefusesASecondStatementOfOneName) {
    conversation c;
    c.parse("s", "SHOW STATE");
    c.parse("s", "SHOW STATE");
    EXPECT_EQ(c.sqlstate(), "42P05");
    c.sync();
    c.close('S', "s");
    c.out.clear();
    c.parse("s", "SHOW POOLS");
    EXPECT_EQ(c.types(), "1");
}

TEST(ExtendedQuery, RefusesSeveralStatements) {
    conversation c;
    c.parse("", "SHOW STATE; SHOW STATE");
    EXPECT_EQ(c.sqlstate(), "42601");
}

TEST(ExtendedQuery, RefusesParameters) {
    conversation c;
    c.parse("", "SHOW STATE");
    c.bind("", "", {"\0\0\0\1\0\0\0\1x\0\0", 11});
    EXPECT_EQ(c.sqlstate(), "08P01");
}

TEST(ExtendedQuery, RefusesFormatsThatDoNotFit) {
    conversation c;
    c.parse("", "SHOW STATE");
    c.bind("", "", {"\0\0\0\0\0\3\0\0\0\0\0\0", 12});
    EXPECT_EQ(c.sqlstate(), "08P01");
}

TEST(ExtendedQuery, RefusesMalformedBodiesWithoutClosing) {
    for (const char type : {'P', 'B', 'D', 'E', 'C'}) {
        conversation c;
        EXPECT_EQ(c.say(std::string{type} + std::string("\0\0\0\5\1", 5)), wish::next) << type;
        EXPECT_EQ(c.sqlstate(), "08P01") << type;
        c.sync();
        c.out.clear();
        c.query("SHOW STATE");
        EXPECT_EQ(c.types(), "TDCZ") << type;
    }
}

TEST(ExtendedQuery, SendsNumbersInBinaryWhenAsked) {
    conversation c;
    c.answer = result::of_rows({{text("cached"), number(258), number(-2), {}, text("7")}});
    c.parse("", "SHOW MEM");  // name text, size, used, free and memtotal int8
    c.bind("", "", {"\0\0\0\0\0\1\0\1", 8});
    c.execute("");
    protocol::data_row values;
    const auto body = c.body_of('D');
    ASSERT_FALSE(decode(body, values));
    ASSERT_EQ(values.values.size(), 5U);
    EXPECT_EQ(values.values[0], "cached");
    EXPECT_EQ(values.values[1], std::string_view("\0\0\0\0\0\0\1\2", 8));
    EXPECT_EQ(values.values[2], std::string_view("\xff\xff\xff\xff\xff\xff\xff\xfe", 8));
    EXPECT_FALSE(values.values[3].has_value());
    EXPECT_EQ(values.values[4], std::string_view("\0\0\0\0\0\0\0\7", 8));
}

TEST(ExtendedQuery, SendsRealNumbersInBinaryWhenAsked) {
    conversation c;
    row values(columns::cache.size());
    values[8] = "0.5";
    c.answer = result::of_rows({values});
    c.parse("", "SHOW CACHE");
    c.bind("", "", {"\0\0\0\0\0\1\0\1", 8});
    c.execute("");
    protocol::data_row shown;
    const auto body = c.body_of('D');
    ASSERT_FALSE(decode(body, shown));
    EXPECT_EQ(shown.values[8], std::string_view("\x3f\xe0\0\0\0\0\0\0", 8));
}

TEST(ExtendedQuery, FetchesRowsInParts) {
    conversation c;
    c.answer.rows.assign(5, {text("k"), text("v")});
    c.parse("", "SHOW STATE");
    c.bind("p", "");
    c.execute("p", 2);
    EXPECT_EQ(c.types(), "12DDs");
    c.execute("p", 2);
    EXPECT_EQ(c.types(), "DDs");
    c.execute("p", 2);
    EXPECT_EQ(c.types(), "DC");
    EXPECT_EQ(c.ran.size(), 1U);
    c.execute("p");
    EXPECT_EQ(c.sqlstate(), "55000");
}

TEST(ExtendedQuery, ForgetsPortalsAtSync) {
    conversation c;
    c.parse("s", "SHOW STATE");
    c.bind("p", "s");
    c.sync();
    c.out.clear();
    c.execute("p");
    EXPECT_EQ(c.sqlstate(), "34000");
}

TEST(ExtendedQuery, KeepsPortalsInATransaction) {
    conversation c;
    c.query("BEGIN");
    c.parse("s", "SHOW STATE");
    c.bind("p", "s");
    c.sync();
    c.out.clear();
    c.execute("p");
    EXPECT_EQ(c.types(), "DC");
}

TEST(ExtendedQuery, AnswersTheEmptyStatement) {
    conversation c;
    c.parse("", "");
    c.bind("", "");
    c.describe('P', "");
    c.execute("");
    EXPECT_EQ(c.types(), "12nI");
}

TEST(ExtendedQuery, BoundsNames) {
    conversation c;
    for (std::size_t i = 0; i < console_protocol::most_names; ++i)
        c.parse("s" + std::to_string(i), "SHOW STATE");
    c.out.clear();
    c.parse("one more", "SHOW STATE");
    EXPECT_EQ(c.sqlstate(), "53400");
}

TEST(Transaction, IsFollowedForDrivers) {
    conversation c;
    c.answer = {};
    c.query("BEGIN");
    EXPECT_EQ(c.body_of('Z'), "T");
    c.out.clear();
    c.query("ROLLBACK");
    EXPECT_EQ(c.body_of('Z'), "I");
}

TEST(ConsoleProtocol, ClosesOnTerminateAndOnUnknownMessages) {
    conversation c;
    EXPECT_EQ(c.say(std::string("X\0\0\0\4", 5)), wish::close);
    EXPECT_TRUE(c.out.empty());
    EXPECT_EQ(c.say(std::string("p\0\0\0\4", 5)), wish::close);
    EXPECT_EQ(c.sqlstate(), "08P01");
}

TEST(ConsoleProtocol, RefusesFunctionCalls) {
    conversation c;
    EXPECT_EQ(c.say(std::string("F\0\0\0\4", 5)), wish::next);
    EXPECT_EQ(c.types(), "EZ");
}

TEST(ConsoleProtocol, IgnoresFlushAndRestsOfCopy) {
    conversation c;
    for (const char type : {'H', 'd', 'c', 'f'})
        EXPECT_EQ(c.say(std::string{type} + std::string("\0\0\0\4", 4)), wish::next);
    EXPECT_TRUE(c.out.empty());
}

}  // namespace
}  // namespace weir::daemon::console
