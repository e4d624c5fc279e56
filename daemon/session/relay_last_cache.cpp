// SHOW LAST CACHE: what became of the client's last statement with the cache. PostgreSQL knows no
// such statement, so the daemon answers it, in its order: what was asked before is answered before.

#include "daemon/session/relay.hpp"
#include "protocol/query.hpp"
#include "protocol/status.hpp"

namespace weir::daemon {

// A short Parse of the unnamed statement that asks for it: what may be one is looked at as a whole.
bool relay::may_ask_last_cache(const protocol::frame_header& header) const {
    constexpr std::size_t longest = 80;
    if (header.type != 'P' || header.size() > longest) return false;
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) return false;
    protocol::parse_message parse;
    return !protocol::decode(
               bytes.substr(protocol::frame_header_size, header.body_size()), parse
           ) &&
           parse.name.empty() && last_cache::is_asked_by(parse.text);
}

// Whether it is the client's turn to be told something that no server says. Nothing: it is not, and
// the server has to refuse the statement where it stands: in a failed transaction, or behind
// messages that no Sync has ended.
std::optional<relay::step> relay::begin_own_answer() {
    if (!server_) return step::done;
    if (owes_ready()) return step::blocked;
    if (!server_->pipeline().is_quiet() || server_->pipeline().transaction_status() == 'E') {
        return std::nullopt;
    }
    return step::done;
}

// Behind the answer: ReadyForQuery, and the request is taken.
void relay::end_own_answer(std::size_t size) {
    const char status = server_ ? server_->pipeline().transaction_status() : 'I';
    protocol::write_ready_for_query(session_->output().writable(), status);
    if (status == 'I') {
        account_.drop();
    } else {
        account_.drop_inside();
    }
    last_group_.forget();
    names_.end_segment();
    session_->input().consume(size);
}

std::optional<relay::step> relay::answer_last_cache(std::string_view text, std::size_t size) {
    if (!last_cache::is_asked_by(text)) return std::nullopt;
    const auto turn = begin_own_answer();
    if (!turn || *turn != step::done) return turn;
    last_.write(session_->output().writable(), true, cache_ ? cache_->database() : nullptr);
    end_own_answer(size);
    return step::done;
}

std::optional<relay::step> relay::answer_last_cache(const request_batch& whole) {
    if (!whole.is_short() || whole.first() != 'P') return std::nullopt;
    protocol::parse_message parse;
    if (protocol::decode(whole.body(0), parse) || !parse.name.empty() ||
        !last_cache::is_asked_by(parse.text)) {
        return std::nullopt;
    }
    protocol::bind_message bind;
    const auto shape = whole.reply_shape();
    if (!shape || protocol::decode(whole.body(1), bind) || !bind.statement.empty()) {
        return std::nullopt;
    }
    const auto turn = begin_own_answer();
    if (!turn || *turn != step::done) return turn;
    unit_shape_.reset();
    std::string& out = session_->output().writable();
    protocol::write_parse_complete(out);
    protocol::write_bind_complete(out);
    last_.write(
        out,
        *shape == querycache::reply_shape::extended_described,
        cache_ ? cache_->database() : nullptr
    );
    // The unnamed statement of the client is this one now, which nobody can run again.
    names_.close_here("");
    end_own_answer(whole.size());
    return step::done;
}

}  // namespace weir::daemon
