#include "daemon/session/repeatable_group.hpp"

namespace weir::daemon {

namespace {

using namespace std::string_view_literals;

// Of the unnamed portal, and all rows: the only forms that these messages have then.
constexpr auto execute = "E\0\0\0\x9\0\0\0\0\0"sv;
constexpr auto sync = "S\0\0\0\4"sv;
constexpr auto flush = "H\0\0\0\4"sv;

}  // namespace

void repeatable_group::advance(std::string_view message) noexcept {
    switch (stage_) {
        case stage::bound:
            stage_ = message == describe ? stage::described : stage::none;
            return;
        case stage::described:
            stage_ = message == execute ? stage::ending : stage::none;
            return;
        case stage::ending:
            ends_in_flush_ = is_of_describe_ && message == flush;
            stage_ = message == sync || ends_in_flush_ ? stage::complete : stage::none;
            return;
        case stage::none:
        case stage::complete:
        case stage::held:
            stage_ = stage::none;
            return;
    }
}

}  // namespace weir::daemon
