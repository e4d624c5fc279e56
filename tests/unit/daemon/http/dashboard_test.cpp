#include "daemon/http/dashboard.hpp"

#include "protocol/crypto.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::http {
namespace {

TEST(Dashboard, IsOnePageWithItsStyleAndScript) {
    const auto page = dashboard_page();
    EXPECT_TRUE(page.starts_with("<!doctype html>"));
    EXPECT_TRUE(page.ends_with("</html>\n"));
    EXPECT_EQ(page.find("/* style.css */"), std::string_view::npos);
    EXPECT_EQ(page.find("/* script */"), std::string_view::npos);
    for (const auto* piece :
         {"prefers-reduced-motion", "function quantile(", "class Table", "/stats.json"})
        EXPECT_NE(page.find(piece), std::string_view::npos) << piece;
}

// Names and queries are strangers' bytes, and the page belongs on machines without the internet.
TEST(Dashboard, HasNoWayForMarkupInDataAndNothingFromElsewhere) {
    const auto page = dashboard_page();
    for (const auto* piece :
         {"innerHTML",
          "outerHTML",
          "insertAdjacentHTML",
          "document.write",
          "eval(",
          "new Function",
          "<script src",
          "<link rel=\"stylesheet",
          "@import",
          "https:",
          " style=\"",
          " onclick="}) {
        EXPECT_EQ(page.find(piece), std::string_view::npos) << piece;
    }
    std::size_t addresses = 0;
    for (auto at = page.find("http://"); at != std::string_view::npos;
         at = page.find("http://", at + 1)) {
        EXPECT_TRUE(page.substr(at).starts_with("http://www.w3.org/2000/svg")
        );  // a name, not fetched
        ++addresses;
    }
    EXPECT_EQ(addresses, 2U);
}

TEST(Dashboard, PolicyAllowsExactlyWhatStandsInThePage) {
    const std::string page = "<style>a{}</style><script>go()</script>";
    protocol::sha256_digest style{};
    protocol::sha256_digest script{};
    ASSERT_TRUE(protocol::sha256("a{}", style) && protocol::sha256("go()", script));
    EXPECT_EQ(
        policy_of_page(page),
        "default-src 'none'; connect-src 'self'; img-src data:; style-src 'sha256-" +
            protocol::base64_encode(protocol::view_of(style)) + "'; script-src 'sha256-" +
            protocol::base64_encode(protocol::view_of(script)) +
            "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    EXPECT_THROW(policy_of_page("<style></style>"), std::logic_error);
    const auto served = dashboard_response().content_security_policy;
    EXPECT_EQ(served, policy_of_page(dashboard_page()));
    EXPECT_EQ(served.find("unsafe"), std::string::npos);
}

}  // namespace
}  // namespace weir::daemon::http
