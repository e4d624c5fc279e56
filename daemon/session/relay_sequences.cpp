// currval() and lastval() in transaction mode: the promise of sequence_watch, kept.

#include "daemon/insight/log.hpp"
#include "daemon/session/relay.hpp"
#include "protocol/error_fields.hpp"
#include "protocol/sqlstate.hpp"

#include <algorithm>

namespace weir::daemon {

namespace {

namespace sqlstate = protocol::sqlstate;
using pool::sequence_habit;

constexpr std::string_view other_remedies =
    " Or read the value where it is made (INSERT .. RETURNING, the result of nextval()), or set "
    "pool.mode to session for this database or user.";

client_error value_of_others() {
    return {
        severity::error,
        sqlstate::object_not_in_prerequisite_state,
        "currval() or lastval() might tell of another client's value in this transaction",
        "Before this client, others have moved sequences on the server connection that its "
        "transaction runs on, and which values are its own is not known.",
        "Run the transaction again: from now on, transactions of this application begin on server "
        "connections without such values." +
            std::string{other_remedies}};
}

// Functions' names are not translated.
bool is_of_sequence_function(const protocol::error_fields& fields) {
    return std::any_of(fields.others.begin(), fields.others.end(), [](const auto& field) {
        return field.first == 'R' && (field.second == "currval_oid" || field.second == "lastval");
    });
}

}  // namespace

bool relay::has_values_of_others() const {
    return is_transaction_mode() &&
           server_->session().sequences.is_of_others(sequences_.as_client(session_->id()));
}

// Whether the statement might be answered with another client's value.
bool relay::asks_of_others(const text_facts& facts) const {
    return sequence_watch::asks(facts) && has_values_of_others();
}

// In front of a statement whose first message is about to be sent, as long as the client has no
// value here that would be lost: also of one that makes the first by nextval() or setval(), as it
// is likely to be asked for. What cannot be cleaned is refused when it is run. Blocked: replies
// must come first.
relay::step relay::clean_sequences(const text_facts& facts) {
    if (!has_values_of_others()) return step::done;
    const bool asks = sequence_watch::asks(facts);
    if (asks ? sequences_.has_moved_here() : sequences_.has_likely_moved_here()) return step::done;
    const bool stays = effects_.is_pinned() && sequence_watch::may_move(facts);
    if (!asks && !stays && !sequence_watch::moves_plainly(facts)) return step::done;
    const auto& pipeline = server_->pipeline();
    // Behind the settings of this lease it is soon quiet.
    if (owes_ready()) return asks || effects_.is_applying() ? step::blocked : step::done;
    if (!pipeline.is_quiet() || pipeline.transaction_status() == 'E') return step::done;
    send_own_query("DISCARD SEQUENCES");
    effects_.begin_own();
    server_->session().sequences.forget();
    return step::done;
}

// The statement will not be sent: its client is to be told this. Nothing: it may be sent.
std::optional<client_error> relay::refuse_sequence(const text_facts& facts) {
    if (!asks_of_others(facts)) return std::nullopt;
    learn_habit(sequence_habit::in_transaction);
    return value_of_others();
}

// It is sent.
void relay::note_sequences(const text_facts& facts) {
    auto& record = server_->session().sequences;
    const auto me = sequences_.as_client(session_->id());
    auto habit = sequence_habit::none;
    if (sequence_watch::asks(facts)) habit = sequences_.on_asked(facts, record, me);
    if (is_advising_) advise(facts, habit);
    if (is_transaction_mode() && habit != sequence_habit::none) {
        learn_habit(habit);
        // They are here, and will be asked for again.
        if (habit == sequence_habit::later && record.is_of(me)) effects_.keep_sequences();
    }
    if (!sequence_watch::may_move(facts)) return;
    record.moved_by(me);
    const bool is_likely = sequences_.on_moved(facts);
    if (is_likely && is_transaction_mode() &&
        pool_->habits().of(application()) == sequence_habit::later) {
        effects_.keep_sequences();
    }
}

void relay::learn_habit(sequence_habit habit) {
    if (!pool_->habits().learn(application(), habit)) return;
    const bool keeps = habit == sequence_habit::later;
    log_info(
        "currval() or lastval() asked for {} that moved the sequence: database={} user={} "
        "application={}: its clients {}",
        keeps ? "behind the transaction" : "in the transaction",
        database(),
        user(),
        application(),
        keeps ? "keep their servers after statements that may move one, see SHOW PINS"
              : "get servers that are told DISCARD SEQUENCES where others have moved some"
    );
}

// At a lease, in front of the settings.
std::string_view relay::sequences_to_discard() {
    auto& record = server_->session().sequences;
    if (!is_transaction_mode() || state_ == state::greeting ||
        !record.is_of_others(sequences_.as_client(session_->id())) ||
        pool_->habits().of(application()) == sequence_habit::none) {
        return {};
    }
    record.forget();
    return "DISCARD SEQUENCES;";
}

// PostgreSQL says that the value is not defined in this session: it was, on another server.
bool relay::tell_of_lost_sequence(const protocol::reply_verdict& verdict, std::string_view error) {
    if (!verdict.failure || !sequences_.is_lost() || !is_transaction_mode()) return false;
    const std::string_view body = error.substr(protocol::frame_header_size);
    if (protocol::find_sqlstate(body) != sqlstate::object_not_in_prerequisite_state) return false;
    protocol::error_fields fields;
    if (protocol::decode(body, fields) || !is_of_sequence_function(fields)) return false;
    fields.detail =
        "This client may have had a value on another server connection: in transaction mode each "
        "transaction gets one that is free.";
    fields.hint =
        "Run it again from nextval() or INSERT on: from now on, clients of this application keep "
        "their server connection behind those." +
        std::string{other_remedies};
    tell_instead(fields);
    return true;
}

// In place of the server's error.
void relay::tell_instead(const protocol::error_fields& fields) {
    std::string told;
    protocol::write_error_response(told, fields);
    session_->output().add_copy(told);
    account_.add_reply(told.size());
    if (capture_) capture_->feed('E', told.size(), told);
}

}  // namespace weir::daemon
