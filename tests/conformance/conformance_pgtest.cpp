#include "tests/conformance/script.hpp"
#include "tests/conformance/transcript.hpp"
#include "tests/support/daemon_process.hpp"
#include "tests/support/postgres_server.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace weir::test {

// GoogleTest prints a parameter when its test fails.
void PrintTo(script const& script, std::ostream* out) {
    *out << script.name;
}

namespace {

constexpr char const* user = "alice";
constexpr char const* database = "conformance";

// The daemons, each started when its first script comes.
class conformance : public testing::TestWithParam<script> {
protected:
    static void SetUpTestSuite() {
        shared_postgres().execute("CREATE ROLE alice LOGIN");
        shared_postgres().execute("CREATE DATABASE conformance OWNER alice");
    }
    static void TearDownTestSuite() { daemons().clear(); }

    static std::string on_postgres() { return run(shared_postgres().port()); }

    static std::string on_daemon(std::string const& mode) {
        auto& daemon = daemons()[mode];
        if (!daemon) {
            daemon = std::make_unique<daemon_process>(replaced(
                R"(listen: {host: 127.0.0.1, port: {port}}
http: {listen: "127.0.0.1:{http}"}
threads: 2
auth: {type: trust}
pool: {mode: {mode}, size: 3, overflow: 0}
databases:
  conformance: {upstream: "host=127.0.0.1 port={pg} dbname=conformance"}
)",
                "{mode}",
                mode
            ));
        }
        return run(daemon->port());
    }

    static void compare(std::string const& mode);

private:
    static std::map<std::string, std::unique_ptr<daemon_process>>& daemons() {
        static std::map<std::string, std::unique_ptr<daemon_process>> all;
        return all;
    }

    static std::string run(int port) {
        for (auto const& sql : GetParam().setup) {
            shared_postgres().execute(
                "SET ROLE alice; SET client_min_messages = warning; " + sql, database
            );
        }
        return play(GetParam(), port, user, database);
    }
};

std::vector<std::string> lines_of(std::string const& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line.substr(0, 300));
    }
    return lines;
}

// Says where two transcripts part; whole ones may be thousands of lines.
testing::AssertionResult same(std::string const& wanted, std::string const& got) {
    if (wanted == got) {
        return testing::AssertionSuccess();
    }
    constexpr std::size_t context = 6;
    auto const left = lines_of(wanted);
    auto const right = lines_of(got);
    auto const parting = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
    auto const agreed = static_cast<std::size_t>(parting.first - left.begin());
    auto result = testing::AssertionFailure() << "after " << agreed << " lines\n";
    for (auto n = agreed - std::min(agreed, context / 2); n < agreed; ++n) {
        result << "  both        " << left[n] << "\n";
    }
    for (auto n = agreed; n < std::min(left.size(), agreed + context); ++n) {
        result << "  PostgreSQL  " << left[n] << "\n";
    }
    for (auto n = agreed; n < std::min(right.size(), agreed + context); ++n) {
        result << "  the daemon  " << right[n] << "\n";
    }
    return result;
}

void conformance::compare(std::string const& mode) {
    auto const found = same(on_postgres(), on_daemon(mode));
    auto const& differs = GetParam().differs;
    bool const known = std::any_of(differs.begin(), differs.end(), [&](auto const& one) {
        return one == mode || one == "both";
    });
    EXPECT_EQ(found == true, !known)
        << (known ? "answers as PostgreSQL now: take the line `differs` out" : found.message());
}

TEST_P(conformance, ScriptSaysTheSameTwice) {
    auto const transcript = on_postgres();
    EXPECT_TRUE(same(transcript, on_postgres()));
    for (auto const& wanted : GetParam().has) {
        EXPECT_NE(transcript.find(wanted), std::string::npos) << "no " << wanted << " in:\n"
                                                              << transcript;
    }
    EXPECT_FALSE(GetParam().has.empty()) << "the script does not say what it is about";
}

TEST_P(conformance, TransactionModeAnswersAsPostgres) {
    compare("transaction");
}

TEST_P(conformance, SessionModeAnswersAsPostgres) {
    compare("session");
}

std::string test_name(testing::TestParamInfo<script> const& one) {
    std::string name = one.param.name;
    std::replace_if(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_'
    );
    return name;
}

INSTANTIATE_TEST_SUITE_P(
    Script, conformance, testing::ValuesIn(load_scripts(WEIR_SCRIPTS)), test_name
);

}  // namespace
}  // namespace weir::test
