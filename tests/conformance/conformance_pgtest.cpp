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
#include <string>

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

TEST_P(conformance, ScriptSaysTheSameTwice) {
    auto const transcript = on_postgres();
    EXPECT_EQ(transcript, on_postgres());
    for (auto const& wanted : GetParam().has) {
        EXPECT_NE(transcript.find(wanted), std::string::npos) << "no " << wanted << " in:\n"
                                                              << transcript;
    }
    EXPECT_FALSE(GetParam().has.empty()) << "the script does not say what it is about";
}

TEST_P(conformance, TransactionModeAnswersAsPostgres) {
    EXPECT_EQ(on_postgres(), on_daemon("transaction"));
}

TEST_P(conformance, SessionModeAnswersAsPostgres) {
    EXPECT_EQ(on_postgres(), on_daemon("session"));
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
