#include "querycache/key.hpp"

#include <gtest/gtest.h>

namespace weir::querycache {
namespace {

using namespace std::string_view_literals;

const hash_secret secret;

std::string bytes_of(const key_view& key) {
    std::string out(key.size(), '?');
    key.write(out.data());
    return out;
}

key_scope scope_of(
    database_identity db = {1, 2},
    sharing share = sharing::user,
    std::string_view user = "app",
    std::string_view settings = "TimeZone=UTC"
) {
    return make_key_scope(secret, db, share, user, settings);
}

TEST(Key, EqualsWhatItWrites) {
    const auto scope = scope_of();
    const key_view key{&scope, {reply_shape::extended, "select 1", "\0\0\0\x17"sv, "tail"}};
    EXPECT_TRUE(key.equals(bytes_of(key)));
    EXPECT_EQ(key.hash(secret), key.hash(secret));
}

TEST(Key, DiffersInEveryPart) {
    const auto scope = scope_of();
    const request base{reply_shape::extended, "select 1", "abcd", "tail"};
    const auto reference = bytes_of({&scope, base});
    const auto reference_hash = key_view{&scope, base}.hash(secret);
    const auto other_db = scope_of({1, 3});
    const auto other_cluster = scope_of({2, 2});
    const auto copy_of_it = scope_of({1, 2, 7});
    const auto other_user = scope_of({1, 2}, sharing::user, "bpp");
    const auto shared = scope_of({1, 2}, sharing::database);
    const auto other_settings = scope_of({1, 2}, sharing::user, "app", "TimeZone=CET");
    auto shape = base, text = base, types = base, bind = base;
    shape.shape = reply_shape::extended_described;
    text.text = "select 2";
    types.parameter_types = "abce";
    bind.bind_tail = "tai";
    const key_view others[] = {
        {&other_db, base},
        {&other_cluster, base},
        {&copy_of_it, base},
        {&other_user, base},
        {&shared, base},
        {&other_settings, base},
        {&scope, shape},
        {&scope, text},
        {&scope, types},
        {&scope, bind}};
    for (const auto& other : others) {
        EXPECT_FALSE(other.equals(reference));
        EXPECT_NE(bytes_of(other), reference);
        EXPECT_FALSE(other.hash(secret) == reference_hash);
    }
}

TEST(Key, DoesNotLetPartsRunIntoEachOther) {
    // pgpool-II joins user, text and database without separators: query-cache.md, 1.1.
    const auto scope = scope_of();
    const key_view a{&scope, {reply_shape::extended, "select 1", "ab", "cd"}};
    const key_view b{&scope, {reply_shape::extended, "select 1", "abc", "d"}};
    EXPECT_NE(bytes_of(a), bytes_of(b));
    EXPECT_FALSE(a.hash(secret) == b.hash(secret));
    const auto left = scope_of({1, 2}, sharing::user, "ab", "c");
    const auto right = scope_of({1, 2}, sharing::user, "a", "bc");
    EXPECT_NE(left.bytes, right.bytes);
}

TEST(Key, SharedScopeForgetsTheUser) {
    EXPECT_EQ(
        scope_of({1, 2}, sharing::database, "a").bytes,
        scope_of({1, 2}, sharing::database, "b").bytes
    );
}

TEST(Key, RejectsTruncatedBytes) {
    const auto scope = scope_of();
    const key_view key{&scope, {reply_shape::simple, "select 1", {}, {}}};
    const auto whole = bytes_of(key);
    for (std::size_t n = 0; n < whole.size(); ++n) {
        EXPECT_FALSE(key.equals(std::string_view(whole).substr(0, n))) << n;
    }
}

TEST(HashSecret, DiffersFromProcessToProcess) {
    EXPECT_FALSE(hash_secret{}.hash("x") == hash_secret{}.hash("x"));
}

/// A Bind body after its names: no format codes, these text values, no result codes.
std::string tail_of(std::vector<std::string_view> values) {
    std::string out("\0\0"sv);
    out.push_back('\0');
    out.push_back(static_cast<char>(values.size()));
    for (const auto v : values) {
        out.append("\0\0\0"sv);
        out.push_back(static_cast<char>(v.size()));
        out.append(v);
    }
    return out + std::string("\0\0"sv);
}

TEST(ClockWord, IsFoundInAnyParameter) {
    EXPECT_FALSE(holds_clock_word(tail_of({})));
    EXPECT_FALSE(holds_clock_word(tail_of({"1", "knowledge", "epoch"})));
    EXPECT_TRUE(holds_clock_word(tail_of({"1", "now"})));
    EXPECT_TRUE(holds_clock_word(tail_of({" Yesterday ", "x"})));
}

TEST(ClockWord, IsAssumedInWhatCannotBeRead) {
    const auto whole = tail_of({"abc", "d"});
    for (std::size_t n = 0; n + 2 < whole.size(); ++n) {
        EXPECT_TRUE(holds_clock_word(std::string_view(whole).substr(0, n))) << n;
    }
    EXPECT_TRUE(holds_clock_word("\0\3\0\0\0\0\0\0\0\1"sv)) << "three formats for one value";
    EXPECT_TRUE(holds_clock_word("\0\0\0\1\x7f\xff\xff\xff"sv)) << "a length beyond the message";
}

TEST(ClockWord, IsNotInANullValue) {
    EXPECT_FALSE(holds_clock_word("\0\0\0\1\xff\xff\xff\xff\0\0"sv));
}

TEST(Key, LeavesOutCommentsAroundTheText) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"select 1", "select 1"},
        {"select 1 /* a */", "select 1"},
        {"select 1/* a */ ; ", "select 1"},
        {"select 1 /* a *//**/", "select 1"},
        {"/* a\n b */ select 1", "select 1"},
        {"/*a*/ /*b*/ select 1 /*c*/", "select 1"},
        {"select /* a */ 1", "select /* a */ 1"},
        {"select 1;", "select 1;"},
        // A hint counts.
        {"select 1 /* pgweir: nocache */", "select 1 /* pgweir: nocache */"},
        {"/*+ SeqScan(t) */ select 1", "/*+ SeqScan(t) */ select 1"},
        // Nested, or more than a comment.
        {"select 1 /* a */ + 2 -- */", "select 1 /* a */ + 2 -- */"},
        {"select 1 -- /*\n + 2 -- */", "select 1 -- /*\n + 2 -- */"},
        {"select 'a/* ' -- */", "select 'a/* ' -- */"},
        {"/* /* a */ b */ select 1", "/* /* a */ b */ select 1"},
        {"select 1 */", "select 1 */"},
        {"/* a", "/* a"},
        {"/* a */", ""},
        {"*/", "*/"},
        {"/*/", "/*/"},
        {"", ""},
    };
    for (const auto& [text, expected] : cases) {
        EXPECT_EQ(without_outer_comments(text), expected) << text;
    }
}

}  // namespace
}  // namespace weir::querycache
