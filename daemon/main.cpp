// The command line: what to run, what to print, which exit status.

#include "daemon/config/load.hpp"
#include "daemon/daemon.hpp"
#include "daemon/version.hpp"

#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace {

constexpr int exit_usage = 64;          // EX_USAGE
constexpr int exit_unavailable = 69;    // EX_UNAVAILABLE
constexpr int exit_configuration = 78;  // EX_CONFIG

constexpr const char* usage =
    "pgweir - a PostgreSQL connection pooler with a result cache\n"
    "\n"
    "  pgweir --config FILE           run in the foreground\n"
    "  pgweir --check --config FILE   print every problem as FILE:LINE:COL: message;\n"
    "                                 exit status 78 on error, 0 when clean\n"
    "  pgweir --version\n"
    "  pgweir --help\n"
    "\n"
    "Signals: SIGHUP reloads the file, SIGUSR1 reopens the logs, SIGTERM lets clients finish "
    "their\n"
    "transactions and ends (twice: at once), SIGINT ends at once.\n"
    "Console: psql -p 6432 pgweir, then SHOW HELP.\n"
    "The options of the file are explained in etc/pgweir.yaml.\n"
    "Exit status: 0 after a requested end, 64 wrong arguments, 69 cannot start (an address is "
    "taken),\n"
    "78 wrong configuration.\n";

struct arguments {
    std::string config;
    bool check = false;
};

int complain(const std::string& what) {
    std::fprintf(stderr, "pgweir: %s\nTry pgweir --help.\n", what.c_str());
    return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
    arguments given;
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        if (word == "--help" || word == "-h") {
            std::fputs(usage, stdout);
            return 0;
        } else if (word == "--version" || word == "-V") {
            std::printf("pgweir %s (%s)\n", weir::daemon::version, weir::daemon::commit);
            return 0;
        } else if (word == "--check") {
            given.check = true;
        } else if (word == "--config" && i + 1 < argc) {
            given.config = argv[++i];
        } else if (word.starts_with("--config=")) {
            given.config = word.substr(9);
        } else if (word == "--config") {
            return complain("--config needs the name of a file");
        } else if (word == "--import" || word.starts_with("--import=")) {
            return complain(
                "--import is not supported yet in this version; write the file by hand: "
                "etc/reference.md has PgBouncer's name of each option, etc/pgweir.yaml the form"
            );
        } else {
            return complain("unknown argument: " + std::string{word});
        }
    }
    if (given.config.empty()) return complain("--config FILE is missing");

    const auto loaded = weir::daemon::config::load(given.config);
    for (const auto& problem : loaded.problems) {
        std::fprintf(stderr, "%s\n", weir::daemon::config::to_string(problem).c_str());
    }
    if (!loaded.value) return exit_configuration;
    if (given.check) return 0;
    try {
        weir::daemon::running_daemon daemon{loaded.value};
        return daemon.run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pgweir: %s\n", error.what());
        return exit_unavailable;
    }
}
