#include "pool/text_rules.hpp"

#include <gtest/gtest.h>

namespace weir::pool {
namespace {

settings of(std::string_view name, std::string_view value, value_form form) {
    settings made;
    made.assign(name, value, form);
    return made;
}

TEST(TextRules, ArePlainForUtf8AndConformingStrings) {
    EXPECT_EQ(rules_of("on", "UTF8"), text_rules::plain);
    for (const char* encoding : {"SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "LATIN1", ""}) {
        EXPECT_EQ(rules_of("on", encoding), text_rules::plain_if_ascii) << encoding;
    }
    EXPECT_EQ(rules_of("off", "UTF8"), text_rules::other);
    EXPECT_EQ(rules_of("", ""), text_rules::other) << "nothing was reported";
}

TEST(TextRules, OfWantedSettingsKnowPostgresSpellings) {
    EXPECT_EQ(rules_of(settings{}), text_rules::plain);
    for (const char* value : {"on", "'on'", "TRUE", "'t'", "yes", "1"}) {
        EXPECT_EQ(
            rules_of(of("standard_conforming_strings", value, value_form::sql)), text_rules::plain
        ) << value;
    }
    for (const char* value : {"off", "false", "'no'", "0", "'o'", "on, on", "'o' 'n'"}) {
        EXPECT_EQ(
            rules_of(of("standard_conforming_strings", value, value_form::sql)), text_rules::other
        ) << value;
    }
    for (const char* value : {"'utf8'", "'UTF-8'", "UTF8", "'unicode'", "\"Utf_8\""}) {
        EXPECT_EQ(rules_of(of("client_encoding", value, value_form::sql)), text_rules::plain)
            << value;
    }
    EXPECT_EQ(rules_of(of("client_encoding", "utf-8", value_form::raw)), text_rules::plain);
    EXPECT_EQ(
        rules_of(of("client_encoding", "'SJIS'", value_form::sql)), text_rules::plain_if_ascii
    );
}

TEST(TextRules, OfAServerFollowItsReports) {
    server_settings server;
    EXPECT_EQ(server.texts(), text_rules::other);
    server.on_parameter_status("client_encoding", "UTF8");
    EXPECT_EQ(server.texts(), text_rules::other);
    server.on_parameter_status("standard_conforming_strings", "on");
    EXPECT_EQ(server.texts(), text_rules::plain);
    EXPECT_EQ(server.reported("TimeZone"), nullptr);
    server.on_parameter_status("standard_conforming_strings", "off");
    EXPECT_EQ(server.texts(), text_rules::other);
}

TEST(TextRules, LooksChangeWithWhatChangesValues) {
    server_settings server;
    server.on_parameter_status("TimeZone", "UTC");
    const auto before = server.looks();
    server.on_parameter_status("application_name", "psql");
    EXPECT_EQ(server.looks(), before);
    server.on_parameter_status("TimeZone", "Asia/Tokyo");
    EXPECT_NE(server.looks(), before);
}

}  // namespace
}  // namespace weir::pool
