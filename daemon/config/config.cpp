#include "daemon/config/config.hpp"

#include "daemon/config/options.hpp"
#include "daemon/config/pool_fields.hpp"
#include "daemon/config/value.hpp"

#include <cstddef>

namespace weir::daemon::config {
namespace {

/// The enumerators stand in the order of the row's choices, so the word is found by index.
template<class Enum>
std::string_view word(std::string_view path, Enum value) {
    return words(find_option(path)->choices).at(static_cast<std::size_t>(value));
}

}  // namespace

std::string_view to_string(tls_mode value) {
    return word("listen.tls.mode", value);
}
std::string_view to_string(auth_type value) {
    return word("auth.type", value);
}
std::string_view to_string(pool_mode value) {
    return word("pool.mode", value);
}
std::string_view to_string(host_order value) {
    return word("databases.*.load_balance_hosts", value);
}
std::string_view to_string(cache_consistency value) {
    return word("cache.consistency", value);
}
std::string_view to_string(external_writers_source value) {
    return word("cache.external_writers", value);
}
std::string_view to_string(rule_in_transaction value) {
    return word("cache.rules[].in_transaction", value);
}
std::string_view to_string(rule_share value) {
    return word("cache.rules[].share", value);
}
std::string_view to_string(slow_log_parameters value) {
    return word("slow_log.parameters", value);
}
std::string_view to_string(slow_log_explain value) {
    return word("slow_log.explain", value);
}
std::string_view to_string(log_level value) {
    return word("log.level", value);
}
std::string_view to_string(log_format value) {
    return word("log.format", value);
}

const database_options* config::find_database(std::string_view name) const {
    auto found = databases.find(name);
    if (found == databases.end()) found = databases.find(std::string_view("*"));
    return found == databases.end() ? nullptr : &found->second;
}

const user_options* config::find_user(std::string_view name) const {
    const auto found = users.find(name);
    return found == users.end() ? nullptr : &found->second;
}

pool_options config::resolve(std::string_view database, std::string_view user) const {
    const database_options* entry = find_database(database);
    pool_options result = entry != nullptr ? entry->pool : pool;
    if (const user_options* own = find_user(user)) {
        for_each_pool_field(
            result,
            own->pool,
            [](auto& field, const auto& override_, const char* /*name*/) {
                if (override_) field = *override_;
            }
        );
    }
    return result;
}

milliseconds config::slow_threshold(std::string_view database, std::string_view user) const {
    const user_options* own = find_user(user);
    if (own != nullptr && own->slow_threshold) return *own->slow_threshold;
    const database_options* entry = find_database(database);
    if (entry != nullptr && entry->slow_threshold) return *entry->slow_threshold;
    return slow_log.threshold;
}

}  // namespace weir::daemon::config
