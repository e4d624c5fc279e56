#include "querycache/sql/lexer.hpp"

#include "querycache/sql/lexer_pass.hpp"
#include "querycache/sql/nesting_meter.hpp"
#include "querycache/sql/tokens.hpp"
#include "querycache/sql/utf8.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weir::querycache::sql {
namespace {

// A lexer on an event loop must not keep the memory of the one giant text it once saw.
constexpr std::size_t kept_capacity = 256 * 1024;
constexpr std::size_t first_capacity = 1024;

}  // namespace

lexer::lexer() = default;
lexer::~lexer() = default;
lexer::lexer(lexer&&) noexcept = default;
lexer& lexer::operator=(lexer&&) noexcept = default;

void lexer::grow(std::size_t needed) {
    const std::size_t larger = std::max({needed, capacity_ * 2, first_capacity});
    std::unique_ptr<char[]> buffer{new char[larger]};
    if (size_ != 0) std::memcpy(buffer.get(), buffer_.get(), size_);
    buffer_ = std::move(buffer);
    capacity_ = larger;
}

const lexed& lexer::run(std::string_view text) {
    return run(text, nullptr);
}

const lexed& lexer::run(std::string_view text, std::vector<token>& tokens) {
    return run(text, &tokens);
}

const lexed& lexer::run(std::string_view text, std::vector<token>* tokens) {
    size_ = 0;
    if (capacity_ == 0) grow(first_capacity);
    if (capacity_ > kept_capacity && text.size() < kept_capacity / 4) {
        capacity_ = 0;
        grow(first_capacity);
    }
    if (!meter_) meter_ = std::make_unique<nesting_meter>();
    const std::size_t earlier_tokens = tokens == nullptr ? 0 : tokens->size();
    const bool invalid_utf8 = !is_ascii(text) && !is_utf8(text);
    for (const bool keeps_literals : {false, true}) {
        result_ = {};
        if (tokens != nullptr) tokens->resize(earlier_tokens);
        lexer_pass pass{*this, text, keeps_literals, tokens};
        pass.run();
        result_.literal_sensitive = pass.found_sensitive();
        if (!pass.found_sensitive()) break;
    }
    result_.invalid_utf8 = invalid_utf8;
    result_.depth = meter_->deepest();
    result_.too_complex = meter_->overflow() || size_ > complexity_limits::text_bytes ||
                          result_.tokens > complexity_limits::tokens ||
                          result_.depth > complexity_limits::depth;
    return result_;
}

reason_set call_reasons(const lexed& facts) {
    reason_set reasons = 0;
    if (facts.hint_nocache) reasons |= reason_bit(text_reason::hint_nocache);
    if (facts.hint_invalid) reasons |= reason_bit(text_reason::hint_invalid);
    if (facts.too_complex) reasons |= reason_bit(text_reason::too_complex);
    if (facts.malformed || facts.invalid_utf8) reasons |= reason_bit(text_reason::parse_error);
    if (facts.has_clock_word) reasons |= reason_bit(text_reason::clock_word);
    return reasons;
}

}  // namespace weir::querycache::sql
