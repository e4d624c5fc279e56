// Which start-up values the servers of one pool have taken, and how they spell them: a client that
// comes with the same can be greeted without a server. Not for roles, which come and go.
// Thread-safe; touched by log-ins only.
#pragma once

#include "pool/session_settings.hpp"

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::pool {

class accepted_values {
public:
    /// Values beyond this number push out all; longer ones are not kept.
    static constexpr std::size_t max_values = 256;
    static constexpr std::size_t max_value_bytes = 1024;

    /// A server had `asked` applied, and then it was `spelled`.
    void add(const settings& asked, const settings& spelled);
    /// The server's spelling of a value that one has taken.
    [[nodiscard]] std::optional<std::string> find(const setting& asked) const;
    /// The servers are other ones now.
    void clear();

private:
    mutable std::mutex lock_;
    std::unordered_map<std::string, std::string> spellings_;  // guarded by lock_; by name and value
};

}  // namespace weir::pool
