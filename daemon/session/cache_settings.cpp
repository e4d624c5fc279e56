#include "daemon/session/cache_settings.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

// As whom a statement runs is not keyed: such sessions are not served. Under any search_path a name
// means one relation or none, and that path is in the key.
bool is_keyed(const pool::setting& one) {
    return one.name != "role" && one.name != "session_authorization" &&
           one.name != "row_security" && one.name != "transform_null_equals";
}

// What changes nothing but for code that asks for it: an application's name, and what PostgreSQL
// itself does not have, an extension's or an application's own.
bool is_custom(const pool::setting& one) {
    return one.name.find('.') != std::string::npos || one.name == "application_name";
}

bool is_isolation(const pool::setting& one) {
    return one.name == "default_transaction_isolation" || one.name == "transaction_isolation";
}

}  // namespace

cache_settings::key_part cache_settings::key() const {
    const auto& all = current_.all();
    key_part made{
        looks_,
        std::nullopt,
        !is_uncertain_ && std::all_of(all.begin(), all.end(), is_keyed),
        std::none_of(all.begin(), all.end(), is_isolation)};
    auto others = current_;
    for (const auto name : pool::look_names)
        others.erase(name);
    others.append_canonical(made.signature);
    if (std::any_of(all.begin(), all.end(), is_custom)) {
        for (const auto& one : all) {
            if (is_custom(one)) others.erase(one.name);
        }
        made.without_custom = looks_;
        others.append_canonical(*made.without_custom);
    }
    return made;
}

}  // namespace weir::daemon
