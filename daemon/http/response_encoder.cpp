#include "daemon/http/response_encoder.hpp"

#include "daemon/http/kept_body.hpp"
#include "daemon/insight/json_writer.hpp"

#include <optional>
#include <utility>

namespace weir::daemon::http {
namespace {

std::optional<std::string> encoded(const response& given, content_encoding encoding) {
    if (given.kept) return given.kept->encoded(encoding);
    return encode(encoding, given.body);
}

}  // namespace

content_encoding response_encoder::apply(response& given, std::string_view accept_encoding) {
    const auto begun = std::chrono::steady_clock::now();
    if (given.kept) given.body = given.kept->plain();
    const std::size_t before = given.body.size();
    auto used = content_encoding::identity;
    if (before > least_worth_encoding) {
        const auto wanted = choose_encoding(accept_encoding);
        if (auto made = encoded(given, wanted)) {
            given.body = std::move(*made);
            used = wanted;
        }
    }
    auto& counted = counts_[static_cast<std::size_t>(used)];
    ++counted.responses;
    counted.bytes_in += before;
    counted.bytes_out += given.body.size();
    counted.spent += std::chrono::steady_clock::now() - begun;
    return used;
}

std::string response_encoder::stats_json() const {
    insight::json_writer json;
    json.begin_object();
    for (std::size_t i = 0; i < content_encoding_count; ++i) {
        const auto& each = counts_[i];
        const auto in = static_cast<double>(each.bytes_in);
        const auto out = static_cast<double>(each.bytes_out);
        const auto spent = std::chrono::duration_cast<std::chrono::microseconds>(each.spent);
        json.key(to_string(static_cast<content_encoding>(i))).begin_object();
        json.key("responses").number(each.responses);
        json.key("bytes_in").number(each.bytes_in);
        json.key("bytes_out").number(each.bytes_out);
        json.key("ratio").decimal(each.bytes_in == 0 ? 1.0 : out / in, 4);
        json.key("microseconds").number(static_cast<std::uint64_t>(spent.count()));
        json.end_object();
    }
    return json.end_object().take();
}

}  // namespace weir::daemon::http
