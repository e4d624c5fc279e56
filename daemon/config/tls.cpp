#include "daemon/config/tls.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace weir::daemon::config {
namespace {

using pool::tls_context;
using pool::tls_problem;

std::string_view option_of(tls_problem::about file) {
    switch (file) {
        case tls_problem::about::cert_file:
            return "tls.cert_file";
        case tls_problem::about::key_file:
            return "tls.key_file";
        case tls_problem::about::ca_file:
            return "tls.ca_file";
    }
    return "tls";
}

class maker {
public:
    maker(const document& from, report& to) : from_(from), to_(to) {}

    void listen(tls_options& tls) {
        if (tls.mode == tls_mode::disable) return;
        const std::string mode = fmt::format("listen.tls.mode: {}", to_string(tls.mode));
        const place at = from_.place_of("listen.tls.mode");
        if (tls.cert_file.empty() || tls.key_file.empty()) {
            to_.error(
                at,
                fmt::format(
                    "{} needs a certificate; give listen.tls.cert_file and listen.tls.key_file",
                    mode
                )
            );
            return;
        }
        if (tls.mode >= tls_mode::verify_ca && tls.ca_file.empty()) {
            to_.error(
                at,
                fmt::format(
                    "{} needs the authorities of the clients' certificates; give "
                    "listen.tls.ca_file",
                    mode
                )
            );
            return;
        }
        if (tls.ca_file == "system") {
            // Anybody has a certificate of one of those.
            to_.error(
                from_.place_of("listen.tls.ca_file"),
                "listen.tls.ca_file: system proves nothing of a client; name the file of your own "
                "authority"
            );
            return;
        }
        tls.context = make(tls_context::role::server, tls, "listen");
    }

    void database(const std::string& key, tls_options& tls) {
        if (tls.mode == tls_mode::disable) return;
        const place at = from_.place_of(key + ".tls.mode");
        if (tls.cert_file.empty() != tls.key_file.empty()) {
            to_.error(
                at,
                fmt::format("{}.tls: a certificate and its key go together; give both files", key)
            );
            return;
        }
        const bool verifies = tls.mode >= tls_mode::verify_ca;
        if (verifies && tls.ca_file.empty()) {
            to_.error(
                at,
                fmt::format(
                    "{}.tls.mode: {} needs the authorities of the server's certificate; give "
                    "{}.tls.ca_file (system = the operating system's)",
                    key,
                    to_string(tls.mode),
                    key
                )
            );
            return;
        }
        if (tls.ca_file == "system" && tls.mode != tls_mode::verify_full) {
            // Anybody has a certificate of one of those, for some name.
            to_.error(
                at,
                fmt::format("{}.tls.ca_file: system proves nothing but in mode verify-full", key)
            );
            return;
        }
        tls.context = make(tls_context::role::client, tls, key);
    }

private:
    using same_options =
        std::tuple<tls_context::role, tls_mode, std::string, std::string, std::string>;

    /// `key` of the section around tls.
    pool::tls_context_ptr make(
        tls_context::role as, const tls_options& tls, const std::string& key
    ) {
        const same_options name{as, tls.mode, tls.cert_file, tls.key_file, tls.ca_file};
        const auto known = made_.find(name);
        if (known != made_.end() && known->second) return known->second;
        std::vector<tls_problem> problems;
        auto context = tls_context::make(as, tls.mode, tls.files(), problems);
        for (const tls_problem& found : problems) {
            std::string option = fmt::format("{}.{}", key, option_of(found.file));
            // Or libpq's keyword in there.
            if (from_.find(option) == nullptr) option = key + ".upstream";
            const std::string message = fmt::format("{}: {}", option, found.what);
            if (found.is_error) {
                to_.error(from_.place_of(option), message);
            } else {
                to_.warning(from_.place_of(option), message);
            }
        }
        made_[name] = context;
        return context;
    }

    const document& from_;
    report& to_;
    std::map<same_options, pool::tls_context_ptr> made_;
};

}  // namespace

void make_tls_contexts(config& built, const document& from, report& to) {
    maker make{from, to};
    make.listen(built.listen.tls);
    for (auto& [name, database] : built.databases)
        make.database("databases." + key_step(name), database.tls);
}

}  // namespace weir::daemon::config
