// The extended messages at the front of a client's input, up to the one that makes a server answer:
// looked at together, it may show that they need no server. Views, no I/O; one thread.
#pragma once

#include "querycache/key.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace weir::daemon {

/// Lifetime: views over the input, which must not change.
class request_batch {
public:
    /// More bytes than this are not waited for.
    static constexpr std::size_t longest = 64U << 10U;
    /// Messages that are kept; what memory may answer has fewer.
    static constexpr std::size_t most = 6;

    /// Reads the front of `input`, which begins with an extended message. Returns 0 when it has
    /// seen enough, else how many bytes of input it takes to go on, from the front.
    [[nodiscard]] std::size_t read(std::string_view input);

    /// Complete, and all of it is kept.
    [[nodiscard]] bool is_short() const noexcept { return is_short_; }
    /// Bytes of all messages.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    /// The type of the first one.
    [[nodiscard]] char first() const noexcept { return types_[0]; }
    /// Body of the message `at`, below `most`; empty when there are less.
    [[nodiscard]] std::string_view body(std::size_t at) const noexcept { return bodies_[at]; }

    // Requires is_short().

    [[nodiscard]] std::size_t count() const noexcept { return count_; }
    /// Types of all, as they stand.
    [[nodiscard]] std::string_view shape() const noexcept { return {types_.data(), count_}; }
    /// Close messages and a Sync.
    [[nodiscard]] bool only_closes() const;
    /// [Parse] Bind [Describe portal] Execute Sync, all of the unnamed portal: the one shape that
    /// memory may answer. The Parse is not looked at.
    [[nodiscard]] std::optional<querycache::reply_shape> reply_shape() const;

private:
    std::array<char, most> types_{};
    std::array<std::string_view, most> bodies_{};
    std::size_t count_ = 0;
    std::size_t size_ = 0;
    bool is_short_ = false;
};

}  // namespace weir::daemon
