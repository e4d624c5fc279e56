#include "daemon/session/statement_facts.hpp"

#include <algorithm>
#include <cctype>

namespace weir::daemon {

namespace {

constexpr std::string_view blank = " \t\r\n\f\v";

bool is_in_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// A word in lower case, one in double quotes as it stands with its quotes, or ";". Empty at the end
// and at anything else.
std::string take_word(std::string_view& text) {
    text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
    if (text.empty()) return {};
    std::size_t size = 0;
    if (text.front() == ';') {
        size = 1;
    } else if (text.front() == '"') {
        const auto end = text.find('"', 1);
        size = end == std::string_view::npos ? 0 : end + 1;
    } else {
        while (size < text.size() && is_in_word(text[size]))
            ++size;
    }
    std::string word{text.substr(0, size)};
    text.remove_prefix(size);
    if (word.empty() || word.front() == '"') return word;
    for (char& c : word)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return word;
}

}  // namespace

std::shared_ptr<const insight::trace_tags> tags_of(const querycache::sql::lexed& lexed) {
    if (lexed.request_id.empty() && lexed.traceparent.empty()) return nullptr;
    return std::make_shared<const insight::trace_tags>(
        insight::make_trace_tags(lexed.request_id, lexed.traceparent)
    );
}

std::vector<std::string> deallocated_names(std::string_view text) {
    std::vector<std::string> names;
    for (;;) {
        std::string word = take_word(text);
        while (word == ";")
            word = take_word(text);
        if (word.empty() && text.empty()) return names;
        if (word != "deallocate") return {};
        std::string name = take_word(text);
        if (name == "prepare") {
            std::string behind = take_word(text);
            // DEALLOCATE PREPARE is of a statement with that name.
            if (!behind.empty() && behind != ";") name = std::move(behind);
        }
        if (name.empty() || name == ";" || name == "all") return {};
        if (name.front() == '"') name = name.substr(1, name.size() - 2);
        if (name.empty()) return {};
        names.push_back(std::move(name));
        text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
        if (!text.empty() && text.front() != ';') return {};
    }
}

}  // namespace weir::daemon
