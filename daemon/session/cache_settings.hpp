// The settings under which the cache knows a session, and whether they are still true. What the
// server has by default counts as much as what the client has set: a configuration may change, and
// have another default for another role. No I/O; one thread.
#pragma once

#include "pool/session_settings.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace weir::daemon {

class cache_settings {
public:
    /// For cache_session::set_settings().
    struct key_part {
        std::string signature;
        std::optional<std::string> without_custom;  ///< the same but those; if there are any
        bool is_understood = false;          ///< as whom a statement runs is not keyed, for one
        bool has_default_isolation = false;  ///< the session has set none of its own
    };

    /// The settings are these now. `look_of(name, buffer)` gives the value of each of look_names as
    /// PostgreSQL reports it; a view that may lie in `buffer`.
    template<class LookOf>
    [[nodiscard]] key_part adopt(const pool::client_settings& settings, LookOf&& look_of) {
        looks_.clear();
        std::string buffer;
        for (const auto name : pool::look_names) {
            looks_ += look_of(name, buffer);
            looks_.push_back('\0');
        }
        current_ = settings.current();
        is_uncertain_ = settings.is_uncertain();
        return key();
    }

    /// As adopted last.
    [[nodiscard]] bool are(const pool::client_settings& settings) const noexcept {
        return settings.current() == current_ && settings.is_uncertain() == is_uncertain_;
    }
    /// As server_settings::looks().
    [[nodiscard]] const std::string& looks() const noexcept { return looks_; }

private:
    [[nodiscard]] key_part key() const;

    pool::settings current_;
    std::string looks_;
    bool is_uncertain_ = false;
};

}  // namespace weir::daemon
