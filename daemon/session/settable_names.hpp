// Names of settings with a prefix (app.user) that the code of one database may set. PostgreSQL
// lists no such settings, so that a look has to ask for each by its name: names come from the
// sources of functions, and from the texts that run them. A name that a function makes at run time
// out of pieces, or keeps in a table, is not found. One event loop's; one thread, no I/O.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace weir::daemon {

/// Parts with dots between them, of ASCII only: other letters are other bytes in the encoding of
/// the next client. Such a name needs no quotes in a literal.
[[nodiscard]] bool is_settable_name(std::string_view name);

/// Appends, in lower case and once, names that `text` gives as a literal ('app.user') or behind
/// SET, also in code that stands in a literal itself. Not what follows SET LOCAL. `out` grows to
/// settable_names::max_of_texts at most.
void add_settable_names(std::string_view text, std::vector<std::string>& out);

/// Of one pool.
class settable_names {
public:
    using time_point = std::chrono::steady_clock::time_point;
    /// From sources; with more, those that SET or set_config() name come first.
    static constexpr std::size_t max_of_sources = 128;
    /// From texts of one transaction, and as many that such texts have set in this pool.
    static constexpr std::size_t max_of_texts = 64;
    static constexpr std::size_t max_name_bytes = 128;
    /// What was made or replaced behind the daemon's back is known after that time.
    static constexpr std::chrono::seconds max_age{60};

    /// What a look has read from the catalog.
    struct reading {
        std::vector<std::string> names;  ///< none if the digest is what it was
        std::string digest;              ///< equal as long as no function or trigger has changed
        std::map<std::string, std::string, std::less<>> defaults;  ///< what sessions begin with
        std::uint64_t changes = 0;  ///< as it was when the question was sent
    };

    /// The pool leads to `database`, which is only compared; `changes` counts what clients have
    /// done to code.
    void adopt(std::shared_ptr<const void> database, std::uint64_t changes);
    /// The catalog has to be read again.
    [[nodiscard]] bool is_due(time_point now) const noexcept {
        return is_outdated_ || now - read_at_ >= max_age;
    }
    [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
    [[nodiscard]] std::uint64_t changes() const noexcept { return changes_; }
    /// Of what was read last: as long as it is the same, the names are.
    [[nodiscard]] const std::string& digest() const noexcept { return digest_; }
    [[nodiscard]] bool knows(std::string_view name) const;
    /// What a session begins with; empty = it is not set.
    [[nodiscard]] std::string_view default_of(std::string_view name) const;

    /// True: code has changed, so that what statements were known to leave may be otherwise.
    [[nodiscard]] bool on_read(reading what, time_point now);
    /// The number of the newest function, which each look tells.
    void on_newest(std::string_view number);
    /// A name that was not among the sources was set by code.
    void on_set(const std::string& name);

private:
    std::shared_ptr<const void> database_;
    std::vector<std::string> names_;  // of sources, then of texts
    std::vector<std::string> of_texts_;
    std::map<std::string, std::string, std::less<>> defaults_;
    std::string digest_;
    std::string newest_;
    std::uint64_t changes_ = 0;
    time_point read_at_{};
    bool is_outdated_ = true;
};

/// Those of all pools of an event loop.
class settable_names_by_pool {
public:
    /// Lifetime: until the next call.
    [[nodiscard]] settable_names& of(const void* pool) {
        if (pools_.size() >= max_pools && !pools_.contains(pool)) pools_.clear();
        return pools_[pool];
    }

private:
    static constexpr std::size_t max_pools = 1024;  // with more, all are read anew

    std::unordered_map<const void*, settable_names> pools_;
};

}  // namespace weir::daemon
