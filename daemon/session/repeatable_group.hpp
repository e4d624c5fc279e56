// Whether what a client has asked with its last Sync may be asked once more in its place: when its
// prepared statement has met a plan whose result has changed its type, PostgreSQL refuses the Bind
// or Describe, nothing has run, and prepared anew the statement works. Only two groups, before
// which nothing was told but what was made here: Bind, Describe, Execute, Sync of the unnamed
// portal, as without Describe the client would read the new rows by the description of the old; and
// Describe of the statement with a Sync or Flush. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::daemon {

class repeatable_group {
public:
    /// Of the unnamed portal: the only form that the message has then.
    static constexpr std::string_view describe{"D\0\0\0\6P\0", 7};
    /// A longer Bind is not kept.
    static constexpr std::size_t longest_bind = 4096;

    /// Bind of the unnamed portal went to a server that had nothing else to do, for a statement
    /// that it had already.
    void begin() noexcept {
        stage_ = stage::bound;
        is_of_describe_ = ends_in_flush_ = false;
    }
    /// The same of Describe of that statement.
    void begin_describe() noexcept {
        stage_ = stage::ending;
        is_of_describe_ = true;
        ends_in_flush_ = false;
    }
    /// The next message that the client sends there, whole.
    void on_message(std::string_view message) noexcept {
        if (stage_ != stage::none) advance(message);
    }
    /// Nothing of it is to be repeated.
    void forget() noexcept { stage_ = stage::none; }

    /// All of it was sent, and nothing behind it.
    [[nodiscard]] bool is_complete() const noexcept { return stage_ == stage::complete; }
    /// The same of a Describe, which PostgreSQL refuses only behind its ParameterDescription.
    [[nodiscard]] bool awaits_description() const noexcept {
        return is_of_describe_ && is_complete();
    }
    /// It has failed, and is to be repeated after its ReadyForQuery: nothing may be sent meanwhile.
    void hold() noexcept { stage_ = stage::held; }
    [[nodiscard]] bool is_held() const noexcept { return stage_ == stage::held; }
    /// Of what is complete or held: which of the two it is, and how the latter ends.
    [[nodiscard]] bool is_of_describe() const noexcept { return is_of_describe_; }
    [[nodiscard]] bool ends_in_flush() const noexcept { return ends_in_flush_; }

private:
    enum class stage : std::uint8_t { none, bound, described, ending, complete, held };

    void advance(std::string_view message) noexcept;

    stage stage_ = stage::none;
    bool is_of_describe_ = false;
    bool ends_in_flush_ = false;
};

}  // namespace weir::daemon
