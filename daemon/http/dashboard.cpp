#include "daemon/http/dashboard.hpp"

#include "daemon/http/kept_body.hpp"
#include "protocol/crypto.hpp"

#include <fmt/format.h>

#include <memory>
#include <stdexcept>

namespace weir::daemon::http {

// Made by embed.cmake.
extern const unsigned char embedded_page[];
extern const std::size_t embedded_page_size;

namespace {

// The hash of what stands between two tags, as a source expression of a policy.
std::string hash_between(std::string_view page, std::string_view open, std::string_view close) {
    const auto begin = page.find(open);
    const auto end = page.find(close, begin);
    protocol::sha256_digest digest{};
    if (begin == std::string_view::npos || end == std::string_view::npos ||
        !protocol::sha256(page.substr(begin + open.size(), end - begin - open.size()), digest)) {
        throw std::logic_error(fmt::format("the dashboard has no {}", open));
    }
    return fmt::format("'sha256-{}'", protocol::base64_encode(protocol::view_of(digest)));
}

}  // namespace

std::string_view dashboard_page() {
    return {reinterpret_cast<const char*>(embedded_page), embedded_page_size};
}

std::string policy_of_page(std::string_view page) {
    return fmt::format(
        "default-src 'none'; connect-src 'self'; img-src data:; style-src {}; script-src {}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash_between(page, "<style>", "</style>"),
        hash_between(page, "<script>", "</script>")
    );
}

response dashboard_response() {
    response page;
    page.content_type = "text/html; charset=utf-8";
    page.content_security_policy = policy_of_page(dashboard_page());
    page.kept = std::make_shared<const kept_body>(std::string{dashboard_page()});
    return page;
}

}  // namespace weir::daemon::http
