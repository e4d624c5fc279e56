#include "daemon/auth/hba_tokens.hpp"

#include <optional>

namespace weir::daemon::auth {

namespace {

constexpr int deepest_include = 10;           // PostgreSQL's CONF_FILE_MAX_DEPTH
constexpr std::size_t most_tokens = 100'000;  // of one file with all that it includes

/// Gives the characters of a text one by one, joins continued lines and knows where it is.
class characters {
public:
    explicit characters(std::string_view text) : text_{text} { skip_continuation(); }

    [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
    [[nodiscard]] char peek() const { return text_[at_]; }
    [[nodiscard]] bool at_line_end() const { return at_end() || peek() == '\n'; }
    [[nodiscard]] int line() const { return line_; }
    [[nodiscard]] int column() const { return column_; }

    char next() {
        const char c = text_[at_];
        step();
        skip_continuation();
        return c;
    }

private:
    void step() {
        if (text_[at_++] == '\n') {
            ++line_;
            column_ = 1;
        } else {
            ++column_;
        }
    }
    void skip_continuation() {
        for (;;) {
            const auto rest = text_.substr(at_);
            const std::size_t length = rest.starts_with("\\\n")     ? 2U
                                       : rest.starts_with("\\\r\n") ? 3U
                                                                    : 0U;
            if (length == 0) return;
            for (std::size_t i = 0; i < length; ++i)
                step();
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
    int line_ = 1;
    int column_ = 1;
};

class splitter {
public:
    splitter(const include_reader& include, std::vector<config::problem>& problems)
        : include_{include}, problems_{problems} {}

    std::vector<hba_line> lines(std::string_view text, const std::string& file, int depth) {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
        std::vector<hba_line> found;
        characters from{text};
        while (!from.at_end()) {
            is_broken_ = false;
            hba_line line = read_line(from, file, depth);
            if (!line.empty() && !is_broken_) found.push_back(std::move(line));
        }
        return found;
    }

private:
    hba_line read_line(characters& from, const std::string& file, int depth) {
        hba_line line;
        while (skip_blanks(from)) {
            hba_field field;
            bool goes_on = true;
            while (goes_on && skip_blanks(from)) {
                auto token = read_token(from, file, goes_on);
                if (!token) {
                    while (!from.at_line_end())
                        from.next();
                    break;
                }
                add(std::move(*token), field, depth);
            }
            // Also an empty one, of an empty file: it matches nobody, and its place is its own.
            line.push_back(std::move(field));
        }
        if (!from.at_end()) from.next();  // the line's end
        return line;
    }

    /// False at the end of the line, which a comment reaches.
    static bool skip_blanks(characters& from) {
        while (!from.at_line_end() && (from.peek() == ' ' || from.peek() == '\t' ||
                                       from.peek() == '\r' || from.peek() == ','))
            from.next();
        if (from.at_line_end() || from.peek() != '#') return !from.at_line_end();
        while (!from.at_line_end())
            from.next();
        return false;
    }

    std::optional<hba_token> read_token(characters& from, const std::string& file, bool& goes_on) {
        hba_token token{{}, from.peek() == '"', from.line(), from.column(), file};
        bool in_quotes = false;
        goes_on = false;
        while (!from.at_line_end()) {
            const char c = from.peek();
            if (c == '"') {
                from.next();
                // A doubled one is one quote of the name.
                if (in_quotes && !from.at_line_end() && from.peek() == '"') {
                    token.text.push_back(from.next());
                } else {
                    in_quotes = !in_quotes;
                }
                continue;
            }
            if (!in_quotes) {
                if (c == ' ' || c == '\t' || c == '\r' || c == '#') break;
                if (c == ',') {
                    from.next();
                    goes_on = true;
                    break;
                }
            }
            if (c == '\0') return fail(token, "a NUL byte");
            token.text.push_back(from.next());
        }
        if (in_quotes) return fail(token, "a quote without its end in this line");
        if (++count_ > most_tokens) return fail(token, "more than 100000 words");
        return token;
    }

    void add(hba_token token, hba_field& field, int depth) {
        if (token.is_quoted || !token.text.starts_with('@') || token.text.size() == 1) {
            field.push_back(std::move(token));
            return;
        }
        if (depth >= deepest_include) {
            (void)fail(token, token.text + ": files include each other more than 10 deep");
            return;
        }
        const auto included = include_(token.text.substr(1), token.file);
        if (!included.is_read) {
            (void)fail(token, "cannot read " + included.path + ": " + included.text);
            return;
        }
        const bool was_broken = is_broken_;
        for (auto& line : lines(included.text, included.path, depth + 1)) {
            for (auto& inner : line) {
                for (auto& one : inner)
                    field.push_back(std::move(one));
            }
        }
        is_broken_ = was_broken || is_broken_;
    }

    std::optional<hba_token> fail(const hba_token& at, std::string message) {
        problems_.push_back(
            {at.file, at.line, at.column, std::move(message), config::problem_severity::error}
        );
        is_broken_ = true;
        return std::nullopt;
    }

    const include_reader& include_;
    std::vector<config::problem>& problems_;
    bool is_broken_ = false;
    std::size_t count_ = 0;
};

}  // namespace

std::vector<hba_line> split_hba(
    std::string_view text,
    const std::string& file_name,
    const include_reader& include,
    std::vector<config::problem>& problems
) {
    return splitter{include, problems}.lines(text, file_name, 0);
}

}  // namespace weir::daemon::auth
