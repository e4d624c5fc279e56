#include "protocol/error_fields.hpp"

#include "protocol/bytes.hpp"
#include "protocol/sqlstate.hpp"

namespace weir::protocol {
namespace {

struct raw_field {
    char letter = 0;  // 0 = the list's end
    std::string_view text;
};

raw_field next_field(reader& in) noexcept {
    const char letter = in.character();
    if (letter == '\0') return {};
    return {letter, in.cstring()};
}

// Where a letter's text goes; nullptr = to the others.
std::string* slot_of(error_fields& fields, char letter) noexcept {
    switch (letter) {
        case 'V':
            return &fields.severity;
        case 'S':
            return &fields.localized_severity;
        case 'C':
            return &fields.code;
        case 'M':
            return &fields.message;
        case 'D':
            return &fields.detail;
        case 'H':
            return &fields.hint;
        default:
            return nullptr;
    }
}

void put_field(writer& w, char letter, std::string_view text) {
    w.put_char(letter);
    w.put_cstring(text);
}

std::string_view or_else(const std::string& text, std::string_view fallback) noexcept {
    return text.empty() ? fallback : std::string_view(text);
}

void write_fields(
    std::string& out,
    char type,
    const error_fields& fields,
    std::string_view severity,
    std::string_view code
) {
    const auto untranslated = or_else(fields.severity, severity);
    writer w(out);
    w.begin(type);
    put_field(w, 'S', or_else(fields.localized_severity, untranslated));
    put_field(w, 'V', untranslated);
    put_field(w, 'C', or_else(fields.code, code));
    put_field(w, 'M', fields.message);
    if (!fields.detail.empty()) put_field(w, 'D', fields.detail);
    if (!fields.hint.empty()) put_field(w, 'H', fields.hint);
    for (const auto& [letter, text] : fields.others) {
        // A NUL as letter would end the list early.
        if (letter != '\0') put_field(w, letter, text);
    }
    w.put_char('\0');
    w.end();
}

}  // namespace

std::error_code decode(std::string_view body, error_fields& out) {
    out = {};
    reader in(body);
    while (true) {
        const auto field = next_field(in);
        if (field.letter == '\0' || in.failed()) break;
        auto* slot = slot_of(out, field.letter);
        if (slot != nullptr && slot->empty()) {
            slot->assign(field.text);
        } else {
            out.others.emplace_back(field.letter, field.text);
        }
    }
    // Servers before 9.6 and some poolers send no 'V'.
    if (out.severity.empty()) out.severity = out.localized_severity;
    if (out.localized_severity == out.severity) out.localized_severity.clear();
    return in.finish();
}

bool is_fatal_error(std::string_view body_prefix) noexcept {
    reader in(body_prefix);
    bool fatal = false;
    while (true) {
        const auto field = next_field(in);
        if (field.letter == '\0' || in.failed()) break;
        if (field.letter != 'S' && field.letter != 'V') continue;
        fatal = field.text == "FATAL" || field.text == "PANIC";
        // 'S' may be translated; 'V' has the last word.
        if (fatal || field.letter == 'V') break;
    }
    return fatal;
}

std::string_view find_sqlstate(std::string_view body_prefix) noexcept {
    reader in(body_prefix);
    while (true) {
        const auto field = next_field(in);
        if (field.letter == '\0' || in.failed()) break;
        if (field.letter == 'C') return field.text;
    }
    return {};
}

void write_error_response(std::string& out, const error_fields& fields) {
    write_fields(out, 'E', fields, "ERROR", sqlstate::internal_error);
}

void write_notice_response(std::string& out, const error_fields& fields) {
    write_fields(out, 'N', fields, "NOTICE", sqlstate::successful_completion);
}

}  // namespace weir::protocol
