// The command line: what to run, what to print, which exit status.

#include "daemon/advising/advice_files.hpp"
#include "daemon/config/ini_import.hpp"
#include "daemon/config/load.hpp"
#include "daemon/daemon.hpp"
#include "daemon/version.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int exit_usage = 64;          // EX_USAGE
constexpr int exit_unavailable = 69;    // EX_UNAVAILABLE
constexpr int exit_configuration = 78;  // EX_CONFIG

constexpr const char* usage =
    "pgweir - a PostgreSQL connection pooler with a result cache\n"
    "\n"
    "  pgweir --config FILE           run in the foreground; a FILE.ini is read as PgBouncer's\n"
    "  pgweir --check --config FILE   print every problem as FILE:LINE:COL: message;\n"
    "                                 exit status 78 on error, 0 when clean\n"
    "  pgweir --import FILE.ini       print the YAML that does the same as this file of "
    "PgBouncer's,\n"
    "                                 with a comment for each line that has no equal\n"
    "  pgweir --advice DIR --config FILE\n"
    "                                 ask the pgweir that runs with FILE for its advice and write "
    "the\n"
    "                                 indexes to make and to drop as migrations, up and down\n"
    "  pgweir --version\n"
    "  pgweir --help\n"
    "\n"
    "Signals: SIGHUP reloads the file, SIGUSR1 reopens the logs, SIGUSR2 ends every PAUSE, "
    "SIGTERM\n"
    "lets clients finish their transactions and ends (twice: at once), SIGINT ends at once, "
    "SIGQUIT\n"
    "without a word to anybody.\n"
    "Console: psql -p 6432 pgweir, then SHOW HELP.\n"
    "The options of the file are explained in etc/pgweir.yaml.\n"
    "Exit status: 0 after a requested end, 64 wrong arguments, 69 cannot start (an address is "
    "taken),\n"
    "78 wrong configuration.\n";

struct arguments {
    std::string config;
    std::string to_import;
    std::string advice;
    bool wants_advice = false;
    bool check = false;
};

void print(const std::vector<weir::daemon::config::problem>& problems) {
    for (const auto& problem : problems)
        std::fprintf(stderr, "%s\n", weir::daemon::config::to_string(problem).c_str());
}

int print_import(const std::string& path) {
    const auto imported = weir::daemon::config::import_ini(path);
    print(imported.problems);
    if (!imported.yaml) return exit_configuration;
    std::fputs(imported.yaml->c_str(), stdout);
    return std::fflush(stdout) == 0 ? 0 : exit_unavailable;
}

int write_advice(const weir::daemon::config::config& configuration, const std::string& folder) {
    namespace advising = weir::daemon::advising;
    try {
        const auto all = advising::migrations_in(advising::fetch_advice(configuration));
        const auto done = advising::write_migrations(all, folder, std::chrono::system_clock::now());
        for (const auto& file : done.files)
            std::printf("%s/%s\n", folder.c_str(), file.c_str());
        std::fprintf(
            stderr, "%zu written, %zu were there already\n", done.files.size(), done.known
        );
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pgweir: %s\n", error.what());
        return exit_unavailable;
    }
}

int complain(const std::string& what) {
    std::fprintf(stderr, "pgweir: %s\nTry pgweir --help.\n", what.c_str());
    return exit_usage;
}

// libpq takes what a connection string does not say from these; ours say what is meant.
void forget_libpq_variables() {
    for (const char* name : {"PGOPTIONS",        "PGSERVICE",
                             "PGSERVICEFILE",    "PGHOSTADDR",
                             "PGPASSFILE",       "PGSSLMODE",
                             "PGSSLCERT",        "PGSSLKEY",
                             "PGSSLROOTCERT",    "PGSSLCRL",
                             "PGSSLCRLDIR",      "PGSSLSNI",
                             "PGREQUIRESSL",     "PGCHANNELBINDING",
                             "PGREQUIREPEER",    "PGGSSENCMODE",
                             "PGKRBSRVNAME",     "PGTARGETSESSIONATTRS",
                             "PGCLIENTENCODING", "PGAPPNAME",
                             "PGDATESTYLE",      "PGTZ",
                             "PGGEQO",           "PGCONNECT_TIMEOUT"}) {
        ::unsetenv(name);
    }
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
        } else if (word == "--advice" && i + 1 < argc) {
            given.advice = argv[++i];
            given.wants_advice = true;
        } else if (word.starts_with("--advice=")) {
            given.advice = word.substr(9);
            given.wants_advice = true;
        } else if (word == "--advice") {
            return complain("--advice needs the name of a folder");
        } else if (word == "--import" && i + 1 < argc) {
            given.to_import = argv[++i];
        } else if (word.starts_with("--import=")) {
            given.to_import = word.substr(9);
        } else if (word == "--import") {
            return complain("--import needs the name of a pgbouncer.ini");
        } else {
            return complain("unknown argument: " + std::string{word});
        }
    }
    if (given.wants_advice && given.advice.empty())
        return complain("--advice needs the name of a folder");
    if (given.wants_advice && given.check)
        return complain("--check and --advice exclude each other");
    if (!given.to_import.empty()) return print_import(given.to_import);
    if (given.config.empty()) return complain("--config FILE is missing");

    const auto loaded = weir::daemon::config::load(given.config);
    print(loaded.problems);
    if (!loaded.value) return exit_configuration;
    if (given.check) return 0;
    if (given.wants_advice) return write_advice(*loaded.value, given.advice);
    forget_libpq_variables();
    try {
        weir::daemon::running_daemon daemon{loaded.value};
        return daemon.run();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pgweir: %s\n", error.what());
        return exit_unavailable;
    }
}
