#include "daemon/console/words.hpp"

#include "protocol/ascii.hpp"
#include "protocol/sqlstate.hpp"

#include <utility>

namespace weir::daemon::console {

namespace {

constexpr bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
constexpr bool is_sign(char c) {
    return c == '=' || c == '(' || c == ')' || c == ',';
}
constexpr bool is_name_byte(char c) {
    return (protocol::ascii_lower(c) >= 'a' && protocol::ascii_lower(c) <= 'z') ||
           (c >= '0' && c <= '9') || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

class splitter {
public:
    explicit splitter(std::string_view text) : text_(text) {}

    std::variant<std::vector<statement_words>, client_error> run() {
        while (at_ < text_.size() && unended_.empty())
            step();
        if (!unended_.empty()) {
            return client_error{
                severity::error,
                protocol::sqlstate::syntax_error,
                "unterminated " + std::string{unended_},
                "",
                "Close it, or double the quote sign if it is meant as a letter."};
        }
        end_statement(text_.size());
        return std::move(statements_);
    }

private:
    [[nodiscard]] bool starts(std::string_view with) const {
        return text_.substr(at_).starts_with(with);
    }

    void step() {
        const char c = text_[at_];
        if (is_space(c)) {
            end_word();
            ++at_;
        } else if (c == ';') {
            end_statement(at_);
            statement_begin_ = ++at_;
        } else if (starts("--")) {
            end_word();
            const auto line_end = text_.find('\n', at_);
            at_ = line_end == std::string_view::npos ? text_.size() : line_end;
        } else if (starts("/*")) {
            end_word();
            skip_comment();
        } else if (is_sign(c)) {
            end_word();
            add(1);
            end_word();
        } else if (c == '"' || c == '\'') {
            take_quoted(c);
        } else if (c == '$') {
            take_dollar();
        } else {
            add(1);
        }
    }

    void add(std::size_t count) {
        open_word();
        for (; count > 0; --count, ++at_) {
            current_.text += text_[at_];
            current_.folded += protocol::ascii_lower(text_[at_]);
        }
    }

    void take_quoted(char quote) {
        // E'it\'s' is the one form in which a backslash hides the quote.
        const bool escapes = quote == '\'' && in_word_ && current_.folded == "e";
        open_word();
        current_.is_quoted = true;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == quote) {
                if (at_ + 1 == text_.size() || text_[at_ + 1] != quote) {
                    ++at_;
                    return;
                }
                ++at_;
            } else if (escapes && text_[at_] == '\\' && at_ + 1 < text_.size()) {
                ++at_;
            }
            current_.text += text_[at_];
            current_.folded += text_[at_];
        }
        unended_ = quote == '"' ? "quoted identifier" : "quoted string";
    }

    void take_dollar() {
        std::size_t tag_end = at_ + 1;
        while (tag_end < text_.size() && is_name_byte(text_[tag_end]))
            ++tag_end;
        const bool is_tag = tag_end < text_.size() && text_[tag_end] == '$' &&
                            (tag_end == at_ + 1 || text_[at_ + 1] < '0' || text_[at_ + 1] > '9');
        // a$b$c is a name, $1 a parameter.
        if (!is_tag || (in_word_ && is_name_byte(text_[at_ - 1]))) {
            add(1);
            return;
        }
        const auto tag = text_.substr(at_, tag_end + 1 - at_);
        const auto end = text_.find(tag, tag_end + 1);
        if (end == std::string_view::npos) {
            unended_ = "dollar-quoted string";
            return;
        }
        open_word();
        current_.is_quoted = true;
        const auto content = text_.substr(tag_end + 1, end - tag_end - 1);
        current_.text += content;
        current_.folded += content;
        at_ = end + tag.size();
    }

    void skip_comment() {
        std::size_t depth = 0;
        while (at_ < text_.size()) {
            if (starts("/*")) {
                ++depth;
                at_ += 2;
            } else if (starts("*/")) {
                at_ += 2;
                if (--depth == 0) return;
            } else {
                ++at_;
            }
        }
        unended_ = "comment";
    }

    void open_word() {
        if (in_word_) return;
        in_word_ = true;
        current_ = {};
        current_.begin = at_ - statement_begin_;
    }
    void end_word() {
        if (!std::exchange(in_word_, false)) return;
        current_.end = at_ - statement_begin_;
        words_.push_back(std::move(current_));
    }
    void end_statement(std::size_t end) {
        end_word();
        if (words_.empty()) return;
        statements_.push_back(
            {text_.substr(statement_begin_, end - statement_begin_), std::exchange(words_, {})}
        );
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t statement_begin_ = 0;
    bool in_word_ = false;
    word current_;
    std::vector<word> words_;
    std::vector<statement_words> statements_;
    std::string_view unended_;  // what did not end; empty: nothing
};

}  // namespace

std::variant<std::vector<statement_words>, client_error> split_statements(std::string_view text) {
    return splitter{text}.run();
}

}  // namespace weir::daemon::console
