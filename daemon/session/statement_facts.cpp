#include "daemon/session/statement_facts.hpp"

#include "protocol/ascii.hpp"
#include "protocol/query.hpp"

#include <algorithm>
#include <cctype>

namespace weir::daemon {

namespace {

namespace sql = querycache::sql;

constexpr std::string_view blank = " \t\r\n\f\v";

bool is_in_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// Takes a comment at the front; comments nest. False: there is none that ends.
bool take_comment(std::string_view& text) {
    if (text.starts_with("--")) {
        text.remove_prefix(std::min(text.find('\n'), text.size()));
        return true;
    }
    if (!text.starts_with("/*")) return false;
    int depth = 0;
    for (std::size_t at = 0; at + 1 < text.size(); ++at) {
        const std::string_view pair = text.substr(at, 2);
        if (pair != "/*" && pair != "*/") continue;
        depth += pair == "/*" ? 1 : -1;
        ++at;
        if (depth > 0) continue;
        text.remove_prefix(at + 1);
        return true;
    }
    return false;
}

void skip_blank(std::string_view& text) {
    do {
        text.remove_prefix(std::min(text.find_first_not_of(blank), text.size()));
    } while (take_comment(text));
}

// The size of the name in double quotes at the front, in which two of them stand for one; 0 when it
// does not end.
std::size_t quoted_size(std::string_view text) {
    std::size_t at = 1;
    for (;;) {
        at = text.find('"', at);
        if (at == std::string_view::npos) return 0;
        if (text.substr(at, 2) != "\"\"") return at + 1;
        at += 2;
    }
}

// The same without its quotes.
std::string unquoted(std::string_view name) {
    std::string plain;
    for (std::size_t at = 1; at + 1 < name.size(); ++at) {
        plain += name[at];
        if (name[at] == '"') ++at;
    }
    return plain;
}

// A word in lower case, one in double quotes as it stands with its quotes, or ";". Empty at the end
// and at anything else.
std::string take_word(std::string_view& text) {
    skip_blank(text);
    if (text.empty()) return {};
    std::size_t size = 0;
    if (text.front() == ';') {
        size = 1;
    } else if (text.front() == '"') {
        size = quoted_size(text);
    } else {
        while (size < text.size() && is_in_word(text[size]))
            ++size;
    }
    const std::string_view word = text.substr(0, size);
    text.remove_prefix(size);
    return word.starts_with('"') ? std::string{word} : protocol::ascii_lower(word);
}

// A boolean parameter, in either format; nothing: written in a way that is not known here.
std::optional<bool> boolean(std::string_view value, bool is_binary) {
    if (is_binary) return value.size() == 1 ? std::optional{value[0] != 0} : std::nullopt;
    if (value == "t" || value == "true" || value == "1" || value == "on") return true;
    if (value == "f" || value == "false" || value == "0" || value == "off") return false;
    return std::nullopt;
}

}  // namespace

std::shared_ptr<const insight::trace_tags> tags_of(const querycache::sql::lexed& lexed) {
    if (lexed.request_id.empty() && lexed.traceparent.empty()) return nullptr;
    return std::make_shared<const insight::trace_tags>(
        insight::make_trace_tags(lexed.request_id, lexed.traceparent)
    );
}

bool leaves_block_open(const sql::statement& statement) {
    using control = sql::transaction_control;
    bool is_open = false;
    for (const sql::session_step& step : statement.steps) {
        switch (step.transaction) {
            case control::begin:
                is_open = true;
                break;
            case control::commit:
            case control::rollback:
            case control::prepare_transaction:
                is_open = false;
                break;
            case control::none:
            case control::commit_and_chain:
            case control::rollback_and_chain:
            case control::savepoint:
            case control::release:
            case control::rollback_to:
            case control::commit_prepared:
            case control::rollback_prepared:
            case control::several:
                break;
        }
    }
    return is_open;
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
        if (name.front() == '"') name = unquoted(name);
        if (name.empty()) return {};
        names.push_back(std::move(name));
        skip_blank(text);
        if (!text.empty() && text.front() != ';') return {};
    }
}

std::shared_ptr<const sql::session_step> bound_step(
    const sql::setting_change& setting, std::string_view bind_tail
) {
    protocol::bind_values values;
    if (protocol::decode_bind_values(bind_tail, values)) return nullptr;
    const auto& [name, value, local] = setting.parameters;
    if (std::max({name, value, local}) > values.parameters.size()) return nullptr;
    sql::session_step step;
    step.setting = setting;
    step.setting.parameters = {};
    bool is_null = false;
    bool is_local = false;
    if (name != 0) {
        const auto given = values.parameters[name - 1];
        if (!given) return nullptr;
        step.setting.name = protocol::ascii_lower(*given);
    }
    if (value != 0) {
        const auto given = values.parameters[value - 1];
        is_null = !given;
        step.setting.value_sql = given.value_or("");
        step.setting.is_raw = !is_null;
    }
    if (local != 0 && values.parameters[local - 1]) {
        const auto given =
            boolean(*values.parameters[local - 1], values.parameter_format(local - 1) == 1);
        if (!given) return nullptr;
        is_local = *given;
    }
    // Those end with their transaction whatever is_local says.
    is_local = is_local || step.setting.name.starts_with("transaction_");
    using enum sql::session_effect;
    step.effects = sql::effect_bit(is_local ? set_local : is_null ? reset : set);
    return std::make_shared<const sql::session_step>(std::move(step));
}

}  // namespace weir::daemon
