#include "daemon/session/statement_names.hpp"

#include <atomic>

namespace weir::daemon {

std::error_code statement_names::parse_here(
    std::string_view name, pool::client_statement statement
) {
    const change_tag tag = next_tag();
    if (const auto error = names_.stage_parse(tag, segment_, name, std::move(statement))) {
        return error;
    }
    names_.resolve(tag, pool::change_outcome::succeeded);
    if (name.empty()) renew_unnamed();
    return {};
}

void statement_names::close_here(std::string_view name) {
    const change_tag tag = next_tag();
    names_.stage_close(tag, segment_, name);
    names_.resolve(tag, pool::change_outcome::succeeded);
}

std::uint64_t statement_names::renew_unnamed() {
    static std::atomic<std::uint64_t> last{0};
    return unnamed_ = last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace weir::daemon
