// SHOW LAST CACHE: what became of the client's last statement with the cache. PostgreSQL knows no
// such statement, so the daemon answers it, in its order: what was asked before is answered before.

#include "daemon/session/last_cache_batch.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/query.hpp"
#include "protocol/sqlstate.hpp"
#include "protocol/status.hpp"

namespace weir::daemon {

namespace {

client_error transaction_is_aborted() {
    client_error error;
    error.sqlstate = protocol::sqlstate::in_failed_sql_transaction;
    error.message =
        "current transaction is aborted, commands ignored until end of transaction block";
    return error;
}

}  // namespace

bool relay::is_last_cache(std::string_view name) const {
    if (!last_.is_prepared()) return false;
    const auto* const known = names_.find(name);
    return known != nullptr && last_cache::is_asked_by(known->statement->text);
}

// A message that may begin a batch which asks for it and for nothing else.
bool relay::may_ask_last_cache(const protocol::frame_header& header) const {
    constexpr std::size_t longest = 256;
    if (header.size() > longest || (header.type != 'P' && !last_.is_prepared())) return false;
    const std::string_view bytes = session_->input().unread();
    if (bytes.size() < header.size()) return false;
    const auto body = bytes.substr(protocol::frame_header_size, header.body_size());
    protocol::parse_message parse;
    protocol::bind_message bind;
    protocol::name_message describe;
    switch (header.type) {
        case 'P':
            return !protocol::decode(body, parse) && last_cache::is_asked_by(parse.text);
        case 'B':
            return !protocol::decode(body, bind) && is_last_cache(bind.statement);
        case 'D':
            return !protocol::decode(body, describe) && describe.kind == 'S' &&
                   is_last_cache(describe.name);
        default:
            return false;
    }
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

// Behind the answer: ReadyForQuery, unless it ends in Flush, and the request is taken.
void relay::end_own_answer(std::size_t size, bool is_synced) {
    const char status = server_ ? server_->pipeline().transaction_status() : 'I';
    if (is_synced) protocol::write_ready_for_query(session_->output().writable(), status);
    if (status == 'I') {
        account_.drop();
    } else {
        account_.drop_inside();
    }
    last_group_.forget();
    if (is_synced) names_.end_segment();
    session_->input().consume(size);
}

// It is nobody's turn but a failed transaction's: PostgreSQL refuses whatever it is asked there. It
// must not be asked for this, as nothing is known of a text that it does not understand.
bool relay::is_in_failed_transaction() const {
    return server_ && server_->pipeline().is_quiet() &&
           server_->pipeline().transaction_status() == 'E';
}

std::optional<relay::step> relay::answer_last_cache(std::string_view text, std::size_t size) {
    if (!last_cache::is_asked_by(text)) return std::nullopt;
    const auto turn = begin_own_answer();
    if (!turn && is_in_failed_transaction()) {
        refuse_query(transaction_is_aborted(), true);
        session_->input().consume(size);
        return step::done;
    }
    if (!turn || *turn != step::done) return turn;
    std::string& out = session_->output().writable();
    last_cache::describe(out);
    last_.write_row(out, cache_ ? cache_->database() : nullptr);
    last_cache::write_end(out);
    end_own_answer(size, true);
    return step::done;
}

std::optional<relay::step> relay::answer_last_cache(const request_batch& whole) {
    if (whole.first() != 'P' && !last_.is_prepared()) return std::nullopt;
    last_cache_batch asked;
    if (!asked.read(whole, [this](std::string_view name) { return is_last_cache(name); })) {
        return std::nullopt;
    }
    const auto turn = begin_own_answer();
    if (!turn && is_in_failed_transaction()) {
        refuse_in_stream(transaction_is_aborted(), true);
        // All but its end: PostgreSQL would skip what stands between.
        session_->input().consume(whole.size() - protocol::frame_header_size);
        return step::done;
    }
    if (!turn || *turn != step::done) return turn;
    if (asked.parse() != nullptr && !prepare_last_cache(*asked.parse())) return std::nullopt;
    unit_shape_.reset();
    asked.write(session_->output().writable(), last_, cache_ ? cache_->database() : nullptr);
    end_own_answer(whole.size(), asked.is_synced());
    return step::done;
}

// Of a client that keeps its server.
std::optional<relay::step> relay::answer_last_cache_batch(const protocol::frame_header& header) {
    if (!may_ask_last_cache(header)) return std::nullopt;
    request_batch whole;
    if (!read_batch(whole)) return step::more;
    return answer_last_cache(whole);
}

// The name is the client's, and no server's. False: it may be taken, which others tell better.
bool relay::prepare_last_cache(const protocol::parse_message& parse) {
    if (!parse.name.empty() &&
        (names_.find(parse.name) != nullptr || names_.is_foreign(parse.name) ||
         (server_ && is_prepared_by_sql(parse.name)) || tells_names())) {
        return false;
    }
    if (names_.in_doubt(parse.name)) return false;
    if (names_.parse_here(parse.name, make_client_statement(parse, {}))) return false;
    last_.note_prepared();
    return true;
}

}  // namespace weir::daemon
