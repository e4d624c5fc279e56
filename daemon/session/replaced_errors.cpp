#include "daemon/session/replaced_errors.hpp"

#include "protocol/sqlstate.hpp"

namespace weir::daemon {

std::optional<client_error> replaced_errors::take(change_tag tag, bool in_failed_transaction) {
    while (!errors_.empty() && is_not_after(errors_.front().tag, tag)) {
        replaced_error found = std::move(errors_.front());
        errors_.pop_front();
        if (found.tag != tag) continue;
        if (found.is_parse && in_failed_transaction) {
            found.error.sqlstate = protocol::sqlstate::in_failed_sql_transaction;
            found.error.message =
                "current transaction is aborted, commands ignored until end of transaction block";
            found.error.detail.clear();
            found.error.hint.clear();
        }
        return std::move(found.error);
    }
    return std::nullopt;
}

}  // namespace weir::daemon
