#include "daemon/config/options.hpp"
#include "daemon/config/value.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace weir::daemon::config {
namespace {

std::string cell(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|') result += '\\';
        result += c;
    }
    return result;
}

std::string values_of(const option& row) {
    if (row.type != option_type::choice) return std::string(describe(row.type));
    std::string text;
    for (const std::string_view word : words(row.choices))
        text += fmt::format("{}{}", text.empty() ? "" : ", ", word);
    return text;
}

std::string remarks_of(const option& row) {
    std::string text(row.about);
    if (row.is_secret) text += "; shown as \\*\\*\\*\\*";
    if (row.reload == reload_effect::restart) text += "; **a change needs a restart**";
    if (!row.not_yet.empty()) {
        std::string words_accepted;
        for (const std::string_view word : words(row.also_accepted))
            words_accepted += fmt::format(", {}", word);
        text += words_accepted.empty()
                    ? "; **not supported yet**"
                    : fmt::format("; **only {} so far**", words_accepted.substr(2));
    }
    return text;
}

}  // namespace

std::string render_reference() {
    std::string page =
        "# Options of pgweir.yaml\n\n"
        "Generated from the table in daemon/config/options.cpp; `*` stands for a name, `[]` for an "
        "element of a list.\n"
        "Any text may be `${ENV_NAME}` or `file:PATH`. A path that is not absolute is taken from "
        "the file's folder.\n"
        "What is \"not supported yet\" is taken at its default only.\n\n"
        "| option | takes | default | PgBouncer | meaning |\n|---|---|---|---|---|\n";
    for (const option& row : options()) {
        const std::string fallback = !is_value(row.type) ? ""
                                     : row.default_text.empty()
                                         ? "`\"\"`"
                                         : fmt::format("`{}`", row.default_text);
        page += fmt::format(
            "| `{}` | {} | {} | {} | {} |\n",
            row.path,
            cell(values_of(row)),
            fallback,
            row.pgbouncer.empty() ? "" : fmt::format("`{}`", row.pgbouncer),
            cell(remarks_of(row))
        );
    }
    return page;
}

}  // namespace weir::daemon::config
