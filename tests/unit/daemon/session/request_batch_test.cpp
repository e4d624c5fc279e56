#include "daemon/session/request_batch.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::daemon {
namespace {

using querycache::reply_shape;
using namespace std::string_literals;

std::string message(char type, std::string_view body) {
    const std::size_t length = body.size() + 4;
    std::string made(1, type);
    for (const int shift : {24, 16, 8, 0})
        made.push_back(static_cast<char>(length >> shift & 0xff));
    return made.append(body);
}

const std::string sync = message('S', "");
const std::string parse = message('P', "\0SELECT 1\0\0\0"s);
const std::string bind = message('B', "\0\0\0\0\0\0\0\0"s);
const std::string describe = message('D', "P\0"s);
const std::string execute = message('E', "\0\0\0\0\0"s);
const std::string close = message('C', "Sone\0"s);

// Lifetime: views over `input`.
request_batch read(std::string_view input) {
    request_batch made;
    EXPECT_EQ(made.read(input), 0U);
    return made;
}

TEST(RequestBatch, EndsWithTheMessageThatMakesTheServerAnswer) {
    const std::string input = parse + bind + sync + parse;
    const auto batch = read(input);
    EXPECT_TRUE(batch.is_short());
    EXPECT_EQ(batch.shape(), "PBS");
    EXPECT_EQ(batch.first(), 'P');
    EXPECT_EQ(batch.size(), parse.size() + bind.size() + sync.size());
    EXPECT_EQ(batch.body(0), parse.substr(5));
}

TEST(RequestBatch, AsksForWhatHasNotCome) {
    const std::string whole = parse + bind;
    for (std::size_t have = 0; have <= whole.size(); ++have) {
        request_batch batch;
        EXPECT_GT(batch.read(std::string_view{whole}.substr(0, have)), have);
    }
}

TEST(RequestBatch, AsksForTheWholeOfAMessageThatItKnows) {
    request_batch batch;
    const std::string large = message('B', std::string(5000, 'x'));
    EXPECT_EQ(batch.read(parse + large.substr(0, 100)), parse.size() + large.size());
}

TEST(RequestBatch, DoesNotWaitForMoreThanItsBound) {
    const std::string large = message('B', std::string(request_batch::longest, 'x'));
    const auto batch = read(parse + large.substr(0, 1000));
    EXPECT_FALSE(batch.is_short());
    EXPECT_EQ(batch.first(), 'P');
}

TEST(RequestBatch, StopsAtWhatIsNoMessage) {
    EXPECT_FALSE(read(parse + message('?', "") + sync).is_short());
}

TEST(RequestBatch, IsLongWithMoreMessagesThanItKeeps) {
    std::string input;
    for (std::size_t i = 0; i < request_batch::most; ++i)
        input += close;
    const auto batch = read(input + sync);
    EXPECT_FALSE(batch.is_short());
    EXPECT_EQ(batch.size(), input.size() + sync.size());
}

TEST(RequestBatch, MemoryMayAnswerOneUnnamedPortal) {
    EXPECT_EQ(read(bind + execute + sync).reply_shape(), reply_shape::extended);
    EXPECT_EQ(read(parse + bind + execute + sync).reply_shape(), reply_shape::extended);
    EXPECT_EQ(
        read(parse + bind + describe + execute + sync).reply_shape(),
        reply_shape::extended_described
    );
}

TEST(RequestBatch, MemoryAnswersNothingElse) {
    const auto refused = [](std::string_view input) { return !read(input).reply_shape(); };
    EXPECT_TRUE(refused(sync));
    EXPECT_TRUE(refused(parse + sync));
    EXPECT_TRUE(refused(bind + execute + execute + sync));
    EXPECT_TRUE(refused(bind + execute + message('H', "")));
    EXPECT_TRUE(refused(bind + message('D', "Sone\0"s) + execute + sync));
    EXPECT_TRUE(refused(bind + message('D', "Pone\0"s) + execute + sync));
    EXPECT_TRUE(refused(message('B', "one\0\0\0\0\0\0\0\0"s) + execute + sync));
    EXPECT_TRUE(refused(bind + message('E', "one\0\0\0\0\0"s) + sync));
    EXPECT_TRUE(refused(bind + message('E', "\0\0\0\0\1"s) + sync));  // one row
    EXPECT_TRUE(refused(message('B', "") + execute + sync));
}

TEST(RequestBatch, KnowsABatchThatOnlyCloses) {
    EXPECT_TRUE(read(close + sync).only_closes());
    EXPECT_TRUE(read(close + message('C', "Pone\0"s) + sync).only_closes());
    EXPECT_FALSE(read(close + message('H', "")).only_closes());
    EXPECT_FALSE(read(close + execute + sync).only_closes());
    EXPECT_FALSE(read(message('C', "one") + sync).only_closes());
}

}  // namespace
}  // namespace weir::daemon
