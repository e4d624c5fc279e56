#include "querycache/sql/transaction_modes.hpp"

#include <string>

namespace weir::querycache::sql {
namespace {

isolation_level level_named(std::string_view name) {
    if (name == "read uncommitted") return isolation_level::read_uncommitted;
    if (name == "read committed") return isolation_level::read_committed;
    if (name == "repeatable read") return isolation_level::repeatable_read;
    if (name == "serializable") return isolation_level::serializable;
    return isolation_level::unspecified;
}

bool is_true(std::string_view value) {
    return value == "on" || value == "true" || value == "yes" || value == "1" || value == "t";
}

transaction_control read_commit(
    const token_list& tokens, std::size_t at, std::size_t last, bool commits, statement& facts
) {
    if (tokens.word(at) == "prepared" && at < last) {
        facts.gid = string_content(tokens.text(at + 1));
        return commits ? transaction_control::commit_prepared
                       : transaction_control::rollback_prepared;
    }
    if (tokens.word(at) == "work" || tokens.word(at) == "transaction") ++at;
    if (!commits && tokens.word(at) == "to" && at < last) return transaction_control::rollback_to;
    const bool chains = at < last && tokens.word(at) == "and" && tokens.word(at + 1) == "chain";
    if (commits)
        return chains ? transaction_control::commit_and_chain : transaction_control::commit;
    return chains ? transaction_control::rollback_and_chain : transaction_control::rollback;
}

}  // namespace

std::size_t read_transaction_modes(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
) {
    std::size_t modes = 0;
    for (std::size_t at = first; at < last; ++at) {
        const std::string_view word = tokens.word(at);
        if (tokens.kind(at) == token_kind::comma) continue;
        ++modes;
        if (word == "isolation" && tokens.word(at + 1) == "level") {
            at += 2;
            const bool two_words = tokens.word(at) != "serializable";
            const isolation_level level = level_named(tokens.slice(at, at + (two_words ? 2 : 1)));
            if (level != isolation_level::unspecified) facts.isolation = level;
            at += two_words ? 1 : 0;
        } else if (word == "read" && tokens.word(at + 1) == "only") {
            facts.access = access_mode::read_only;
            ++at;
        } else if (word == "read" && tokens.word(at + 1) == "write") {
            facts.access = access_mode::read_write;
            ++at;
        } else if (word == "not" || word == "snapshot") {
            ++at;  // NOT DEFERRABLE, SNAPSHOT 'id'
        }
    }
    return modes;
}

void read_transaction_setting(std::string_view name, std::string_view value, statement& facts) {
    const std::string content = string_content(value);
    if (name == "transaction_isolation") facts.isolation = level_named(content);
    if (name == "transaction_read_only") {
        facts.access = is_true(content) ? access_mode::read_only : access_mode::read_write;
    }
}

std::string_view isolation_value(isolation_level level) {
    switch (level) {
        case isolation_level::unspecified:
            return "default";
        case isolation_level::read_uncommitted:
            return "'read uncommitted'";
        case isolation_level::read_committed:
            return "'read committed'";
        case isolation_level::repeatable_read:
            return "'repeatable read'";
        case isolation_level::serializable:
            return "'serializable'";
    }
    return "default";
}

transaction_control read_transaction_control(
    const token_list& tokens, std::size_t first, std::size_t last, statement& facts
) {
    const std::string_view verb = tokens.word(first);
    const std::string_view second = first + 1 < last ? tokens.word(first + 1) : std::string_view{};
    if (verb == "begin" || (verb == "start" && second == "transaction")) {
        const bool has_noise = second == "work" || second == "transaction";
        read_transaction_modes(tokens, first + (has_noise ? 2 : 1), last, facts);
        return transaction_control::begin;
    }
    if (verb == "commit" || verb == "end") return read_commit(tokens, first + 1, last, true, facts);
    if (verb == "rollback" || verb == "abort")
        return read_commit(tokens, first + 1, last, false, facts);
    if (verb == "savepoint") return transaction_control::savepoint;
    if (verb == "release") return transaction_control::release;
    if (verb == "prepare" && second == "transaction") {
        facts.gid = string_content(tokens.text(first + 2));
        return transaction_control::prepare_transaction;
    }
    return transaction_control::none;
}

}  // namespace weir::querycache::sql
