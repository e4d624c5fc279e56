#include "daemon/session/statement_facts.hpp"

namespace weir::daemon {

std::shared_ptr<const insight::trace_tags> tags_of(const querycache::sql::lexed& lexed) {
    if (lexed.request_id.empty() && lexed.traceparent.empty()) return nullptr;
    return std::make_shared<const insight::trace_tags>(
        insight::make_trace_tags(lexed.request_id, lexed.traceparent)
    );
}

std::string deallocated_name(std::string_view text) {
    constexpr std::string_view blank = " \t\r\n;";
    std::string name;
    for (int words = 0; !text.empty(); ++words) {
        const auto from = text.find_first_not_of(blank);
        if (from == std::string_view::npos) break;
        text.remove_prefix(from);
        std::size_t to = text.find_first_of(blank);
        if (text.front() == '"') {
            to = text.find('"', 1);
            to = to == std::string_view::npos ? to : to + 1;
        }
        const std::string_view word = text.substr(0, to);
        text.remove_prefix(word.size());
        if (words > 2) return {};
        name.clear();
        if (word.front() == '"') {
            if (word.size() > 2) name = word.substr(1, word.size() - 2);
        } else {
            for (const char c : word)
                name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    return name;
}

}  // namespace weir::daemon
