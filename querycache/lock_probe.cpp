#include "querycache/lock_probe.hpp"

#include "protocol/row.hpp"

#include <charconv>
#include <utility>

namespace weir::querycache {

std::string_view to_string(probe_result result) {
    switch (result) {
        case probe_result::narrowed:
            return "narrowed";
        case probe_result::everything:
            return "everything";
        case probe_result::failed:
            return "failed";
    }
    return "?";
}

void lock_probe::on_row(std::string_view body) {
    protocol::data_row row;
    oid relation = 0;
    if (!protocol::decode(body, row) && row.values.size() == 1 && row.values.front()) {
        const auto text = *row.values.front();
        const auto end = text.data() + text.size();
        const auto read = std::from_chars(text.data(), end, relation);
        if (read.ec != std::errc{} || read.ptr != end) relation = 0;
    }
    if (relation != 0) {
        answer_.written.push_back(relation);
    } else if (answer_.result == probe_result::narrowed) {
        answer_.result = probe_result::everything;
    }
}

void lock_probe::on_error() {
    answer_.result = probe_result::failed;
}

bool lock_probe::has_to_undo() {
    return answer_.result == probe_result::failed && !std::exchange(was_undone_, true);
}

}  // namespace weir::querycache
