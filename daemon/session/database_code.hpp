// What the functions of one database may leave in a session, as its catalog tells: the names of
// settings with a prefix (app.user) that they may set, which PostgreSQL lists nowhere, so that a
// look has to ask for each; and which of them may leave anything at all, so that statements that
// run them are looked after each time. Found by words in their sources: what C does, and what code
// makes at run time out of pieces of which none looks like it, is not. One event loop's; one
// thread, no I/O.
#pragma once

#include "querycache/sql/statement.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace weir::daemon {

/// What a look has read from the catalog.
struct code_reading {
    /// Without a call in a statement's text, a function that may leave something runs with ...
    enum class hook : std::uint8_t {
        nothing,
        writes,     ///< triggers, also of events, and defaults
        everything  ///< views, operators, domains, policies and the like
    };
    std::string digest;  ///< equal as long as no function has changed, nor what runs one
    std::map<std::string, std::string, std::less<>> defaults;  ///< what sessions begin with
    std::uint64_t changes = 0;  ///< as it was when the question was sent

    // Empty if the digest is what it was.
    std::vector<std::string> names;    ///< of settings
    std::vector<std::string> leaving;  ///< functions that may leave something; "*": of other names
    hook hooked = hook::nothing;
};

/// Of one pool.
class database_code {
public:
    using time_point = std::chrono::steady_clock::time_point;
    /// Names from sources; with more, those that SET or set_config() name come first.
    static constexpr std::size_t max_of_sources = 128;
    /// As many that texts have set in this pool.
    static constexpr std::size_t max_of_texts = 64;
    /// With more functions that may leave something, every function may.
    static constexpr std::size_t max_leaving = 1000;
    /// What was made or replaced behind the daemon's back is known after that time.
    static constexpr std::chrono::seconds max_age{60};

    /// The pool leads to `database`, which is only compared; `changes` counts what clients have
    /// done to code.
    void adopt(const std::shared_ptr<const void>& database, std::uint64_t changes);
    /// adopt() would change nothing.
    [[nodiscard]] bool is_of(const void* database, std::uint64_t changes) const noexcept {
        return database == database_.get() && changes == changes_;
    }
    /// The catalog has to be read again.
    [[nodiscard]] bool is_due(time_point now) const noexcept {
        return is_outdated_ || now - read_at_ >= max_age;
    }
    /// The same of what was read before. Nobody reads it first because of a statement that shows no
    /// code: a server would be busy for that while others want it.
    [[nodiscard]] bool has_to_be_renewed(time_point now) const noexcept {
        return !digest_.empty() && is_due(now) && now - asked_at_ > longest_reading;
    }
    /// A server is asked. Until it has answered, or for as long as that may take, nobody who only
    /// reads asks another one.
    void on_asked(time_point now) noexcept { asked_at_ = now; }
    static constexpr std::chrono::seconds longest_reading{5};
    /// Names of settings, as read and as set by texts.
    [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }
    /// Of what was read last: as long as it is the same, the rest is.
    [[nodiscard]] const std::string& digest() const noexcept { return digest_; }
    [[nodiscard]] bool knows(std::string_view name) const;
    /// What a session begins with; empty = it is not set.
    [[nodiscard]] std::string_view default_of(std::string_view name) const;
    /// A function that the statement runs may leave something, as far as the sources tell.
    [[nodiscard]] bool may_leave(const querycache::sql::statement& statement);

    /// True: code has changed, so that what statements were known to leave may be otherwise.
    [[nodiscard]] bool on_read(code_reading what, time_point now);
    /// The catalog could not be read: it is asked for again after max_age, and up to then any code
    /// may leave something.
    void on_read_failed(time_point now);
    /// The number of the newest function, which each look tells.
    void on_newest(std::string_view number);
    /// A name that was not among the sources was set by code.
    void on_set(const std::string& name);

private:
    bool mentions_leaving(std::string_view text) const;

    std::shared_ptr<const void> database_;
    std::vector<std::string> names_;  // of sources, then of texts
    std::vector<std::string> of_texts_;
    std::map<std::string, std::string, std::less<>> defaults_;
    std::unordered_set<std::string> leaving_;
    std::unordered_map<std::uint64_t, bool> mentions_;  // by fingerprint
    code_reading::hook hooked_ = code_reading::hook::nothing;
    bool any_may_leave_ = false;
    std::string digest_;
    std::string newest_;
    std::uint64_t changes_ = 0;
    time_point read_at_{};
    time_point asked_at_{};
    bool is_outdated_ = true;
};

/// Those of all pools of an event loop.
class database_code_by_pool {
public:
    /// Lifetime: until the next call.
    [[nodiscard]] database_code& of(const void* pool) {
        if (pools_.size() >= max_pools && !pools_.contains(pool)) pools_.clear();
        return pools_[pool];
    }

private:
    static constexpr std::size_t max_pools = 1024;  // with more, all are read anew

    std::unordered_map<const void*, database_code> pools_;
};

}  // namespace weir::daemon
