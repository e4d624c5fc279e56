// Whether what a client has asked with its last Sync may be asked once more in its place: when its
// prepared statement has met a plan whose result has changed its type, PostgreSQL refuses the Bind,
// nothing has run, and prepared anew the statement works. Only the group Bind, Describe, Execute,
// Sync of the unnamed portal: without Describe the client would read the new rows by the
// description of the old. Pure; one thread.
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
    void begin() noexcept { stage_ = stage::bound; }
    /// The next message that the client sends there, whole.
    void on_message(std::string_view message) noexcept {
        if (stage_ != stage::none) advance(message);
    }
    /// Nothing of it is to be repeated.
    void forget() noexcept { stage_ = stage::none; }

    /// All of it was sent, and nothing behind it.
    [[nodiscard]] bool is_complete() const noexcept { return stage_ == stage::complete; }
    /// It has failed, and is to be repeated after its ReadyForQuery: nothing may be sent meanwhile.
    void hold() noexcept { stage_ = stage::held; }
    [[nodiscard]] bool is_held() const noexcept { return stage_ == stage::held; }

private:
    enum class stage : std::uint8_t { none, bound, described, executed, complete, held };

    void advance(std::string_view message) noexcept;

    stage stage_ = stage::none;
};

}  // namespace weir::daemon
