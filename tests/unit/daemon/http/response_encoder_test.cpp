#include "daemon/http/response_encoder.hpp"

#include "daemon/http/kept_body.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

response with_body(std::size_t size) {
    response out;
    out.body = std::string(size, 'x');
    return out;
}

TEST(ResponseEncoder, LeavesShortAndUnwantedOnesAlone) {
    response_encoder encoder;
    auto at_limit = with_body(least_worth_encoding);
    EXPECT_EQ(encoder.apply(at_limit, "br"), content_encoding::identity);
    EXPECT_EQ(at_limit.body.size(), least_worth_encoding);
    auto beyond = with_body(least_worth_encoding + 1);
    EXPECT_EQ(encoder.apply(beyond, "br;q=0"), content_encoding::identity);
    EXPECT_EQ(beyond.body.size(), least_worth_encoding + 1);
    EXPECT_EQ(encoder.apply(beyond, "br"), content_encoding::brotli);
    EXPECT_LT(beyond.body.size(), 100U);
}

TEST(ResponseEncoder, SendsAKeptBodyInItsReadyForm) {
    response_encoder encoder;
    response page;
    page.kept = std::make_shared<const kept_body>(std::string(5000, 'y'));
    auto plain = page;
    EXPECT_EQ(encoder.apply(plain, ""), content_encoding::identity);
    EXPECT_EQ(plain.body, page.kept->plain());
    auto packed = page;
    EXPECT_EQ(encoder.apply(packed, "gzip"), content_encoding::gzip);
    EXPECT_EQ(packed.body, page.kept->encoded(content_encoding::gzip));
    EXPECT_EQ(packed.body, encode(content_encoding::gzip, page.kept->plain(), effort::kept));
}

TEST(ResponseEncoder, CountsWhatItSent) {
    response_encoder encoder;
    for (const auto* accepted : {"", "gzip", "br", "br"}) {
        auto body = with_body(10'000);
        encoder.apply(body, accepted);
    }
    const auto parsed = boost::json::parse(encoder.stats_json());
    EXPECT_EQ(parsed.at("identity").at("responses").as_int64(), 1);
    EXPECT_EQ(parsed.at("identity").at("bytes_out").as_int64(), 10'000);
    EXPECT_EQ(parsed.at("gzip").at("responses").as_int64(), 1);
    const auto& brotli = parsed.at("br");
    EXPECT_EQ(brotli.at("responses").as_int64(), 2);
    EXPECT_EQ(brotli.at("bytes_in").as_int64(), 20'000);
    const auto out = static_cast<double>(brotli.at("bytes_out").as_int64());
    EXPECT_GT(out, 0);
    EXPECT_NEAR(brotli.at("ratio").as_double(), out / 20'000, 0.0001);
    EXPECT_GE(brotli.at("microseconds").as_int64(), 0);
    EXPECT_GT(encoder.counts(content_encoding::brotli).spent.count(), 0);
}

TEST(ResponseEncoder, BeforeTheFirstResponseTheRatioIsOne) {
    const auto parsed = boost::json::parse(response_encoder{}.stats_json());
    EXPECT_DOUBLE_EQ(parsed.at("gzip").at("ratio").as_double(), 1.0);
}

}  // namespace
}  // namespace weir::daemon::http
