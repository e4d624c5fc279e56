// What a PgBouncer configuration means in pgweir's options: the common ground of loading such a
// file and of --import, so that both give the same. Where PgBouncer's default is another than ours,
// PgBouncer's counts. HTTP, which it does not have, is off unless the file asks for it by
// ";pgweir: http.listen = 127.0.0.1:9632". Thread rule: one thread, for the time of one load.
#pragma once

#include "daemon/config/document.hpp"
#include "daemon/config/ini_reader.hpp"
#include "daemon/config/report.hpp"
#include "daemon/config/resolve_text.hpp"
#include "daemon/config/value_keeper.hpp"

#include <string>
#include <vector>

namespace weir::daemon::config {

/// A value for one of our options, as the YAML file would say it.
struct translated_value {
    std::vector<std::string> steps;  // "databases", "shop", "pool", "size"
    const option* row = nullptr;
    std::vector<placed_text> texts;  // one, or the elements of a text_list
    place at;
    std::string from;         // PgBouncer's name
    bool is_default = false;  // PgBouncer's default: the file does not say it
};

/// A setting that has no equal here.
struct remark {
    place at;
    std::string setting;      // its name, in [databases] and [users] with the name in front
    std::string value;        // empty when it is not to be repeated
    std::string advice;       // what pgweir does instead, or the remedy
    bool is_refused = false;  // leaving it out could harm
};

struct translation {
    std::vector<translated_value> values;  // one for each option at the most
    std::vector<instance> databases;
    std::vector<instance> users;
    std::vector<remark> remarks;  // in the file's order
};

/// Errors: unknown sections, settings (with the nearest known one) and values of a wrong kind.
translation translate_ini(const ini_file& from, report& to);

/// The document that the translated values make; remarks become warnings, refusals errors.
document make_document(const translation& from, report& to, const environment_lookup& environment);

}  // namespace weir::daemon::config
