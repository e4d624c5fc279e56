// What a client is told in place of the errors of requests that were made to fail: the server has
// to fail with them, so that its transaction is in the state that the client is told. One thread.
#pragma once

#include "daemon/error_reply.hpp"
#include "daemon/session/in_order.hpp"
#include "daemon/session/request_tag.hpp"

#include <optional>
#include <utility>

namespace weir::daemon {

class replaced_errors {
public:
    /// The request `tag` will fail, for this reason. `is_parse`: it stands for a Parse.
    void add(change_tag tag, client_error error, bool is_parse) {
        errors_.push_back({tag, std::move(error), is_parse});
    }
    /// The request `tag` has failed; older ones that are here still were dropped. Nothing: none of
    /// ours. In a failed transaction PostgreSQL looks at that before it looks at a Parse's name.
    [[nodiscard]] std::optional<client_error> take(change_tag tag, bool in_failed_transaction);
    /// Nothing is owed: what is here still was dropped.
    void clear() {
        while (!errors_.empty())
            errors_.pop_front();
    }

private:
    struct replaced_error {
        change_tag tag = tag_none;
        client_error error;
        bool is_parse = false;
    };

    in_order<replaced_error> errors_;
};

}  // namespace weir::daemon
