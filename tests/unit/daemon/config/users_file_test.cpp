#include "daemon/config/users_file.hpp"

#include "tests/unit/daemon/config/config_text.hpp"

#include <gtest/gtest.h>

namespace weir::daemon::config {
namespace {

constexpr std::string_view scram_secret =
    "SCRAM-SHA-256$4096:MTIzNDU2Nzg5MDEyMzQ1Ng==$sF1DvnYdsQV9a7NtIW8kXgVfrEzB0eZ4K5qFh1H3a3A=:"
    "ZDyLqJfFAu3vLm7cpwZQfx7gqXGv7bX7mJ1d0bFq6qE=";
constexpr std::string_view md5_secret = "md50123456789abcdef0123456789abcdef";

struct parsed_users {
    user_secrets users;
    std::vector<problem> problems;

    [[nodiscard]] std::string text() const {
        std::string lines;
        for (const problem& each : problems)
            lines += to_string(each) + "\n";
        return lines;
    }
};

parsed_users parse_users(std::string_view text) {
    parsed_users result;
    result.users = parse_users_file(text, "u.txt", result.problems);
    return result;
}

TEST(UsersFile, KnowsTheKindsOfSecrets) {
    EXPECT_EQ(classify_secret(""), secret_kind::none);
    EXPECT_EQ(classify_secret("hunter2"), secret_kind::plain);
    EXPECT_EQ(classify_secret(md5_secret), secret_kind::md5);
    EXPECT_EQ(classify_secret(scram_secret), secret_kind::scram_sha_256);
    // PgBouncer takes these for passwords, too.
    EXPECT_EQ(classify_secret("md5"), secret_kind::plain);
    EXPECT_EQ(classify_secret("md50123456789ABCDEF0123456789abcdef"), secret_kind::plain);
    EXPECT_EQ(classify_secret("SCRAM-SHA-1$x"), secret_kind::plain);
}

TEST(UsersFile, RefusesScramSecretsThatAreBroken) {
    const std::string whole(scram_secret);
    for (std::size_t length = std::string_view("SCRAM-SHA-256$").size(); length < whole.size();
         ++length) {
        EXPECT_FALSE(classify_secret(whole.substr(0, length))) << length;
    }
    EXPECT_FALSE(classify_secret(whole + "="));
    EXPECT_FALSE(
        classify_secret("SCRAM-SHA-256$0:MTIzNDU2Nzg5MDEyMzQ1Ng==" + whole.substr(whole.rfind('$')))
    );
    EXPECT_FALSE(classify_secret(
        "SCRAM-SHA-256$-1:MTIzNDU2Nzg5MDEyMzQ1Ng==" + whole.substr(whole.rfind('$'))
    ));
    EXPECT_FALSE(classify_secret(
        "SCRAM-SHA-256$99999999999:MTIzNDU2Nzg5MDEyMzQ1Ng==" + whole.substr(whole.rfind('$'))
    ));
    EXPECT_FALSE(classify_secret("SCRAM-SHA-256$4096:" + whole.substr(whole.rfind('$'))));
}

// Such a user had the exchange of one that does not exist: it failed with the right password.
TEST(UsersFile, RefusesScramSecretsOfTooManyIterations) {
    const auto with = [](const std::string& iterations) {
        const std::string whole(scram_secret);
        return "SCRAM-SHA-256$" + iterations + whole.substr(whole.find(':'));
    };
    EXPECT_EQ(classify_secret(with("1000000")), secret_kind::scram_sha_256);
    EXPECT_FALSE(has_too_many_iterations(with("1000000")));
    EXPECT_FALSE(has_too_many_iterations("SCRAM-SHA-256$geheim"));
    EXPECT_FALSE(has_too_many_iterations("geheim"));
    const auto parsed = parse_users("\"a\" \"b\"\n\"bob\" \"" + with("1000001") + "\"\n");
    EXPECT_EQ(
        parsed.text(),
        "u.txt:2:7: the SCRAM secret has more than 1000000 iterations, and every login would take "
        "seconds of a processor; set the password anew with a smaller scram_iterations in "
        "PostgreSQL\n"
    );
    EXPECT_FALSE(parsed.users.contains("bob"));
}

TEST(UsersFile, ReadsNamesSecretsAndComments) {
    const auto parsed = parse_users(
        "\xEF\xBB\xBF; a comment\n# another\n\n   \t\n"
        "\"alice\" \"hunter2\"\n  \"bob\"\t\"" +
        std::string(md5_secret) +
        "\" ignored \"rest\"\r\n"
        "\"ca\"\"rol\" \"a\"\"b\"\n\"dave\"\"\" \"\"\n\"erin\" \"" +
        std::string(scram_secret) + "\""
    );
    EXPECT_EQ(parsed.text(), "");
    EXPECT_EQ(parsed.users.size(), 5U);
    EXPECT_EQ(parsed.users.at("alice"), (user_secret{secret_kind::plain, "hunter2"}));
    EXPECT_EQ(parsed.users.at("bob").kind, secret_kind::md5);
    EXPECT_EQ(parsed.users.at("ca\"rol").value, "a\"b");
    EXPECT_EQ(parsed.users.at("dave\"").kind, secret_kind::none);
    EXPECT_EQ(parsed.users.at("erin").value, scram_secret);
}

TEST(UsersFile, PlacesEveryErrorOfOneRun) {
    const auto parsed = parse_users(
        "alice hunter2\n\"bob\n\"\" \"hunter2\"\n\"carol\"\n\"dave\" hunter2\n\"erin\" \"hunter2\n"
        "\"fred\" \"SCRAM-SHA-256$hunter2\"\n  x\n"
    );
    EXPECT_EQ(
        parsed.text(),
        "u.txt:1:1: expected a user name in double quotes, as in \"name\" \"secret\"\n"
        "u.txt:2:1: expected a user name in double quotes, as in \"name\" \"secret\"\n"
        "u.txt:3:1: the user name is empty\n"
        "u.txt:4:8: expected a secret in double quotes after the user name\n"
        "u.txt:5:8: expected a secret in double quotes after the user name\n"
        "u.txt:6:8: expected a secret in double quotes after the user name\n"
        "u.txt:7:8: begins like a SCRAM secret but is not "
        "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY\n"
        "u.txt:8:3: expected a user name in double quotes, as in \"name\" \"secret\"\n"
    );
    EXPECT_TRUE(parsed.users.empty());
}

TEST(UsersFile, BoundsNamesAndSecrets) {
    const std::string name(127, 'n');
    const std::string secret(2047, 's');
    EXPECT_EQ(parse_users("\"" + name + "\" \"" + secret + "\"").users.size(), 1U);
    EXPECT_EQ(
        parse_users("\"" + name + "n\" \"x\"").text(),
        "u.txt:1:1: the user name is longer than 127 bytes\n"
    );
    EXPECT_EQ(
        parse_users("\"n\" \"" + secret + "s\"").text(),
        "u.txt:1:5: the secret is longer than 2047 bytes\n"
    );
    EXPECT_EQ(
        parse_users(std::string_view("\"a\" \"b\0\"", 8)).text(),
        "u.txt:1:1: the line holds a NUL byte\n"
    );
}

TEST(UsersFile, WarnsOfNamesGivenTwiceAndTakesTheLast) {
    const auto parsed = parse_users("\"a\" \"1\"\n\"a\" \"2\"\n");
    EXPECT_EQ(
        parsed.text(),
        "u.txt:2:1: warning: the user is given twice, first in line 1; this line counts\n"
    );
    EXPECT_EQ(parsed.users.at("a").value, "2");
}

}  // namespace
}  // namespace weir::daemon::config
