// What a console command answers, before it is bytes: notices, rows and a tag, or an error. Plain
// data; any thread.
#pragma once

#include "daemon/error_reply.hpp"
#include "protocol/row.hpp"

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::daemon::console {

using column = protocol::result_writer::column;

/// Text form; nothing = NULL.
using value = std::optional<std::string>;
using row = std::vector<value>;

struct notice {
    std::string severity = "NOTICE";  ///< or WARNING
    std::string message;
    std::string detail;
    std::string hint;
};

/// When there is an error the rest but the notices is not looked at.
struct result {
    std::vector<notice> notices;
    std::vector<row> rows;  ///< as many values as the command has columns
    std::string tag;        ///< of CommandComplete; empty = the command's first word
    std::optional<client_error> error;

    static result of_rows(std::vector<row> rows) {
        result r;
        r.rows = std::move(rows);
        return r;
    }
    static result of_error(client_error error) {
        result r;
        r.error = std::move(error);
        return r;
    }
};

/// An error of severity ERROR. `sqlstate` has static storage.
inline client_error make_error(
    std::string_view sqlstate, std::string message, std::string hint, std::string detail = {}
) {
    return {severity::error, sqlstate, std::move(message), std::move(detail), std::move(hint)};
}

/// The front of a hint. `near`: what config::nearest() found.
inline std::string did_you_mean(std::string_view near) {
    std::string front{"Did you mean "};
    front += near;
    return front += "? ";
}

inline value text(std::string_view v) {
    return std::string{v};
}
template<std::integral Integer>
value number(Integer v) {
    return std::to_string(v);
}

}  // namespace weir::daemon::console
